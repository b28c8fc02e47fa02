import { describe, expect, it } from 'vitest';
import { formOf } from './form';
import { readEntries, startEntries, withOffset } from './formEntries';

function read(rule: unknown, entry: string | boolean | undefined, required = false) {
	const fields = formOf({ properties: { it: rule }, required: required ? ['it'] : [] });
	return readEntries(fields, { it: entry });
}

describe('a form that nobody touched', () => {
	it('sends the defaults as the schema has them, and leaves out what has none', () => {
		const fields = formOf({
			properties: {
				name: { type: 'string', default: 'Ada' },
				count: { type: 'integer', default: 3 },
				when: { type: 'string', format: 'date-time', default: '2026-11-22T10:00:00.123456Z' },
				mode: { type: 'string', enum: ['fast', 'slow'], default: 'slow' },
				dry: { type: 'boolean', default: true },
				list: { type: 'array', default: [1, 2] },
				note: { type: 'string' },
				flag: { type: 'boolean' }
			}
		});
		const reading = readEntries(fields, startEntries(fields));
		expect(reading.problems).toEqual({});
		expect(JSON.parse(reading.body)).toEqual({
			name: 'Ada',
			count: 3,
			when: '2026-11-22T10:00:00.123456Z',
			mode: 'slow',
			dry: true,
			list: [1, 2]
		});
	});

	it('asks for what is required', () => {
		const schema = { properties: { name: { type: 'string' }, on: { type: 'boolean' } }, required: ['name', 'on'] };
		const fields = formOf(schema);
		const reading = readEntries(fields, startEntries(fields));
		expect(reading.problems).toEqual({ name: 'Needs a value' });
		expect(reading.body).toBe('{"on":false}');
	});
});

describe('reading entries', () => {
	it('passes numbers on digit by digit', () => {
		expect(read({ type: 'integer' }, ' 12345678901234567890 ').body).toBe('{"it":12345678901234567890}');
		expect(read({ type: 'number' }, '0.10').body).toBe('{"it":0.10}');
		expect(read({ type: 'object' }, '{"a": 12345678901234567890}').body).toBe('{"it":{"a": 12345678901234567890}}');
	});

	it.each(['1.5', 'x', '0x10', '1e3', '--1', '+1', '01', 'NaN'])('refuses %s as a whole number', (text) => {
		expect(read({ type: 'integer' }, text).problems.it).toMatch(/whole number/);
	});

	it.each(['1e999', 'Infinity', '1,5', '.5', '1.'])('refuses %s as a number', (text) => {
		expect(read({ type: 'number' }, text).problems.it).toMatch(/number/);
	});

	it.each([
		[{ type: 'integer', minimum: 3 }, '2', /at least 3/],
		[{ type: 'integer', maximum: 3 }, '4', /at most 3/],
		[{ type: 'number', exclusiveMinimum: 0 }, '0', /more than 0/],
		[{ type: 'number', exclusiveMaximum: 1 }, '1', /less than 1/],
		[{ type: 'number', multipleOf: 0.1 }, '0.35', /multiple of 0.1/],
		[{ type: 'string', minLength: 3 }, 'ab', /at least 3 characters, has 2/],
		[{ type: 'string', maxLength: 1 }, 'ab', /at most 1 characters, has 2/],
		[{ type: 'array', minItems: 2 }, '[1]', /at least 2 items, has 1/],
		[{ type: 'array', maxItems: 1 }, '[1, 2]', /at most 1 items, has 2/],
		[{ type: 'object' }, '[]', /an object/],
		[{ type: 'array' }, '{}', /a list/],
		[{ type: 'object' }, '{a: 1}', /not JSON/],
		[{}, 'hello', /double quotes/]
	])('says of %j and %s what is wrong', (rule, entry, words) => {
		expect(read(rule, entry).problems.it).toMatch(words);
	});

	it('takes 0.3 for a multiple of 0.1, and one emoji for one character', () => {
		expect(read({ type: 'number', multipleOf: 0.1 }, '0.3').problems).toEqual({});
		expect(read({ type: 'string', maxLength: 1 }, '🦊').problems).toEqual({});
	});

	it('sends a choice with the type that it has', () => {
		expect(read({ enum: [10, 20] }, '1').body).toBe('{"it":20}');
		expect(read({ enum: [10, 20] }, '7').problems.it).toBe('Choose one of these');
	});

	it('takes a cleared text with a default for the empty text, and a cleared number for not given', () => {
		expect(read({ type: 'string', default: 'x' }, '').body).toBe('{"it":""}');
		expect(read({ type: 'integer', default: 3 }, '').body).toBe('{}');
	});

	it('sends null where a value is required and may be null', () => {
		expect(read({ type: ['integer', 'null'] }, '', true).body).toBe('{"it":null}');
	});

	it('passes a reference on whatever the type is', () => {
		expect(read({ type: 'object', format: 'resource-postgresql' }, '$res:f/data/db').body).toBe('{"it":"$res:f/data/db"}');
		expect(read({ type: 'integer' }, '$var:f/data/limit').body).toBe('{"it":"$var:f/data/limit"}');
	});

	it('keeps the blanks of a text', () => {
		expect(read({ type: 'string' }, ' ', true).body).toBe('{"it":" "}');
	});

	it('sends an untouched tick only where it is required', () => {
		expect(read({ type: 'boolean' }, undefined).body).toBe('{}');
		expect(read({ type: 'boolean' }, false).body).toBe('{"it":false}');
	});

	it('reads fields whose names every object has', () => {
		const schema = JSON.parse('{"properties": {"__proto__": {"type": "string"}, "toString": {"type": "string"}}}');
		const fields = formOf(schema);
		const entries = startEntries(fields);
		entries['__proto__'] = 'a';
		expect(readEntries(fields, entries).body).toBe('{"__proto__":"a"}');
	});
});

describe('withOffset', () => {
	it('names the same moment as the clock on the wall', () => {
		const text = withOffset('2026-11-22T10:30');
		expect(text).toMatch(/^2026-11-22T10:30:00[+-]\d\d:\d\d$/);
		expect(new Date(text).getTime()).toBe(new Date(2026, 10, 22, 10, 30).getTime());
	});
});
