import { describe, expect, it } from 'vitest';
import { loginPath, ownPath, runPage, scriptPage } from './place';

describe('ownPath', () => {
	it('lets paths of this app through', () => {
		expect(ownPath('/run/main/1?x=%20y')).toBe('/run/main/1?x=%20y');
	});

	it.each([
		null,
		'',
		'run',
		'//evil.example',
		'/\\evil.example',
		'/\t/evil.example',
		'https://evil.example',
		'javascript:alert(1)',
		'/ok\\..',
		'/login',
		'/setup?token=x'
	])('answers %j with the home page', (wanted) => {
		expect(ownPath(wanted)).toBe('/');
	});
});

describe('addresses', () => {
	it('come back after the login', () => {
		expect(loginPath('/run/main/1')).toBe('/login?next=%2Frun%2Fmain%2F1');
		expect(loginPath('/')).toBe('/login');
	});

	it('keep the slashes of a path, and nothing else that means something', () => {
		expect(scriptPage('main', 'f/a b/c?d#e')).toBe('/scripts/main/f/a%20b/c%3Fd%23e');
		expect(runPage('main', '../x')).toBe('/run/main/..%2Fx');
	});
});
