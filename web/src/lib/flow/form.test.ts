import { describe, expect, it } from 'vitest';
import { formOf } from './form';

function only(rule: unknown, required = false) {
	const [field] = formOf({ properties: { it: rule }, required: required ? ['it'] : [] });
	if (!field) throw new Error('no field');
	return field;
}

describe('formOf', () => {
	it('follows the order of the schema, and adds what the order forgot', () => {
		const schema = { properties: { a: {}, b: {}, c: {} }, order: ['c', 'gone', 'a'] };
		expect(formOf(schema).map((field) => field.name)).toEqual(['c', 'a', 'b']);
	});

	it('finds no fields in what is no schema of an object', () => {
		for (const schema of [null, undefined, 'x', [], {}, { properties: [] }]) expect(formOf(schema)).toEqual([]);
	});

	it.each([
		[{ type: 'string' }, 'text'],
		[{ type: 'integer' }, 'integer'],
		[{ type: 'number' }, 'number'],
		[{ type: 'boolean' }, 'boolean'],
		[{ type: 'string', format: 'date' }, 'date'],
		[{ type: 'string', format: 'date-time' }, 'date-time'],
		[{ type: 'string', format: 'email' }, 'text'],
		[{ type: 'string', password: true }, 'secret'],
		[{ type: 'string', enum: ['a', 'b'] }, 'choice'],
		[{ type: 'integer', enum: [1, 2] }, 'choice'],
		[{ type: 'object' }, 'json'],
		[{ type: 'object', format: 'resource-postgresql' }, 'json'],
		[{ type: 'array', items: { type: 'string' } }, 'json'],
		[{ type: ['string', 'null'] }, 'text'],
		[{ type: ['string', 'integer'] }, 'json'],
		[{ oneOf: [{ type: 'string' }] }, 'json'],
		[{ type: 'object', oneOf: [{}] }, 'json'],
		[{}, 'json']
	])('makes of %j a field of kind %s', (rule, kind) => {
		expect(only(rule).kind).toBe(kind);
	});

	it('names types as scripts do', () => {
		expect(only({ type: 'integer' }).type).toBe('int');
		expect(only({ type: 'object', format: 'resource-postgresql' }).type).toBe('postgresql');
		expect(only({ type: 'string', format: 'date' }).type).toBe('date');
		expect(only({ type: ['integer', 'null'] }).type).toBe('int');
		expect(only({}).type).toBe('any');
	});

	it('keeps the values of choices as they are, and shows their labels', () => {
		const field = only({ enum: [1, 'x', true, null], enumLabels: { x: 'The x' } });
		expect(field.choices).toEqual([
			{ label: '1', value: 1 },
			{ label: 'The x', value: 'x' },
			{ label: 'true', value: true }
		]);
	});

	it('takes a default of null for none', () => {
		expect(only({ type: 'string', default: null }).hasDefault).toBe(false);
		expect(only({ type: 'string', default: '' }).hasDefault).toBe(true);
	});

	it('passes over keywords whose value makes no sense', () => {
		const field = only({ type: 7, minimum: 'low', maximum: 3, description: {}, title: '', enum: 'a' });
		expect(field.rules).toEqual({ maximum: 3 });
		expect(field.description).toBe('');
		expect(field.label).toBe('it');
	});

	it('makes a field of a name that every object has', () => {
		const schema = JSON.parse('{"properties": {"__proto__": {"type": "string"}, "constructor": {"type": "integer"}}}');
		expect(formOf(schema).map((field) => [field.name, field.kind])).toEqual([
			['__proto__', 'text'],
			['constructor', 'integer']
		]);
	});
});
