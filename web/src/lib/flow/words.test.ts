import { describe, expect, it } from 'vitest';
import { ago, bytes, duration, stopwatch } from './words';

describe('words', () => {
	it.each([
		[0, '0 ms'],
		[84.4, '84 ms'],
		[999.7, '1.0 s'],
		[8_400, '8.4 s'],
		[9_960, '10 s'],
		[59_400, '59 s'],
		[59_600, '1 m 00 s'],
		[102_000, '1 m 42 s'],
		[11_100_000, '3 h 05 m'],
		[187_200_000, '2 d 4 h'],
		[-5, '0 ms']
	])('a duration of %d ms is %s', (ms, words) => {
		expect(duration(ms)).toBe(words);
	});

	it.each([
		[0, '0:00'],
		[41_900, '0:41'],
		[725_000, '12:05'],
		[3_729_000, '1:02:09']
	])('a stopwatch after %d ms shows %s', (ms, words) => {
		expect(stopwatch(ms)).toBe(words);
	});

	it('says how long ago something was', () => {
		const now = Date.parse('2026-11-22T12:00:00Z');
		expect(ago('2026-11-22T12:00:10Z', now)).toBe('just now');
		expect(ago('2026-11-22T11:54:00Z', now)).toBe('6 min ago');
		expect(ago('2026-11-22T09:00:00Z', now)).toBe('3 h ago');
		expect(ago('2026-11-20T11:00:00Z', now)).toBe('2 d ago');
	});

	it('says how much', () => {
		expect([bytes(512), bytes(38_400), bytes(1_240_000)]).toEqual(['512 B', '38.4 kB', '1.2 MB']);
	});
});
