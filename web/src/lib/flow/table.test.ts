import { describe, expect, it } from 'vitest';
import { cell, MOST_COLUMNS, tableOf } from './table';

describe('tableOf', () => {
	it('takes the keys of all rows, in the order in which they come', () => {
		expect(tableOf([{ b: 1, a: 2 }, { c: 3 }])?.columns).toEqual(['b', 'a', 'c']);
	});

	it.each([[[]], [[1]], [[{ a: 1 }, 2]], [[{ a: 1 }, [1]]], [[{ a: 1 }, null]], [[{}]], [{ a: 1 }], ['text'], [null]])(
		'makes no table of %j',
		(value) => {
			expect(tableOf(value)).toBeNull();
		}
	);

	it('makes no table of more columns than anybody reads', () => {
		const row = Object.fromEntries(Array.from({ length: MOST_COLUMNS + 1 }, (_, number) => [`key${number}`, number]));
		expect(tableOf([row])).toBeNull();
	});
});

describe('cell', () => {
	it.each([
		['text', 'text'],
		[1.5, '1.5'],
		[false, 'false'],
		[null, ''],
		[undefined, ''],
		[{ a: [1] }, '{"a":[1]}']
	])('shows %j as %s', (value, text) => {
		expect(cell(value)).toBe(text);
	});
});
