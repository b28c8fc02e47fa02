/** What people typed into a form → the JSON text of the arguments, or what is wrong with each.
 *
 * Numbers and JSON are passed on as they were typed: read and printed again, 12345678901234567890 would be another
 * number. Patterns are the server's to check: it matches them in linear time, which a browser does not.
 */

import { isObject, type Field } from './form';

/** By field name: a text, a tick, the index of a choice as text; absent: not touched and without a default. */
export type Entries = Record<string, string | boolean | undefined>;

export interface Reading {
	/** The JSON text of an object. */
	body: string;
	/** By field name; empty: the body can be sent. */
	problems: Record<string, string>;
}

interface Piece {
	json?: string;
	problem?: string;
}

const INTEGER = /^-?(0|[1-9]\d*)$/;
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** A text that begins so stands for a value that only the worker sees. */
const REFERENCE = /^\$(var|res|jsonvar|encrypted):/;

export function startEntries(fields: Field[]): Entries {
	const entries: Entries = Object.create(null);
	for (const field of fields) entries[field.name] = startEntry(field);
	return entries;
}

function startEntry(field: Field): string | boolean | undefined {
	if (field.kind === 'boolean') {
		if (field.hasDefault) return field.default === true;
		return field.required ? false : undefined;
	}
	if (!field.hasDefault) return '';
	if (field.kind === 'choice') {
		const wanted = JSON.stringify(field.default);
		const index = field.choices.findIndex((choice) => JSON.stringify(choice.value) === wanted);
		return index < 0 ? '' : String(index);
	}
	if (field.kind === 'json') return JSON.stringify(field.default, null, 2);
	if (field.kind === 'date-time') return localTime(String(field.default));
	return typeof field.default === 'string' ? field.default : JSON.stringify(field.default);
}

/** `2026-11-22T10:00:00Z` as the person's own clock shows it, for a `datetime-local` field. */
function localTime(text: string): string {
	const time = new Date(text);
	if (Number.isNaN(time.getTime())) return '';
	const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
	return local.toISOString().slice(0, 19);
}

/** A local time with the offset that holds at that time: `2026-11-22T10:00:00+01:00`. */
export function withOffset(local: string): string {
	const time = new Date(local);
	const minutes = -time.getTimezoneOffset();
	const size = Math.abs(minutes);
	const two = (value: number) => String(value).padStart(2, '0');
	const seconds = local.length === 16 ? ':00' : '';
	return `${local}${seconds}${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

export function readEntries(fields: Field[], entries: Entries): Reading {
	const parts: string[] = [];
	const problems: Record<string, string> = Object.create(null);
	for (const field of fields) {
		const piece = readEntry(field, entries[field.name]);
		if (piece.problem !== undefined) problems[field.name] = piece.problem;
		if (piece.json !== undefined) parts.push(`${JSON.stringify(field.name)}:${piece.json}`);
	}
	return { body: `{${parts.join(',')}}`, problems };
}

function readEntry(field: Field, entry: string | boolean | undefined): Piece {
	if (field.kind === 'boolean') return entry === undefined ? {} : { json: JSON.stringify(entry === true) };
	const text = typeof entry === 'string' ? entry : '';
	if (field.hasDefault && text === startEntry(field)) return { json: JSON.stringify(field.default) };
	if (text === '' || (isText(field) ? false : text.trim() === '')) return empty(field);
	if (REFERENCE.test(text)) return { json: JSON.stringify(text) };
	return readText(field, text);
}

function isText(field: Field): boolean {
	return field.kind === 'text' || field.kind === 'long text' || field.kind === 'secret';
}

function empty(field: Field): Piece {
	// A text that had a default and was cleared means the empty text; any other empty field means "not given".
	if (isText(field) && field.hasDefault) return checkText(field, '');
	if (!field.required) return {};
	return field.nullable ? { json: 'null' } : { problem: 'Needs a value' };
}

function readText(field: Field, text: string): Piece {
	switch (field.kind) {
		case 'integer':
		case 'number':
			return readNumber(field, text.trim());
		case 'choice': {
			const choice = field.choices[Number(text)];
			return choice ? { json: JSON.stringify(choice.value) } : { problem: 'Choose one of these' };
		}
		case 'json':
			return readJson(field, text);
		case 'date-time':
			return { json: JSON.stringify(withOffset(text)) };
		case 'date':
		case 'time':
			return { json: JSON.stringify(text) };
		default:
			return checkText(field, text);
	}
}

function checkText(field: Field, text: string): Piece {
	const { minLength, maxLength } = field.rules;
	const length = [...text].length;
	if (minLength !== undefined && length < minLength) {
		return { problem: `Needs at least ${minLength} characters, has ${length}` };
	}
	if (maxLength !== undefined && length > maxLength) {
		return { problem: `May have at most ${maxLength} characters, has ${length}` };
	}
	return { json: JSON.stringify(text) };
}

function readNumber(field: Field, text: string): Piece {
	if (field.kind === 'integer' && !INTEGER.test(text)) return { problem: 'Needs a whole number, such as 12' };
	if (!NUMBER.test(text) || !Number.isFinite(Number(text))) return { problem: 'Needs a number, such as 12.5' };
	const value = Number(text);
	const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = field.rules;
	if (minimum !== undefined && value < minimum) return { problem: `Must be at least ${minimum}` };
	if (maximum !== undefined && value > maximum) return { problem: `Must be at most ${maximum}` };
	if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) {
		return { problem: `Must be more than ${exclusiveMinimum}` };
	}
	if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) {
		return { problem: `Must be less than ${exclusiveMaximum}` };
	}
	if (multipleOf !== undefined && multipleOf > 0) {
		const times = value / multipleOf;
		if (Math.abs(times - Math.round(times)) > 1e-9 * Math.max(1, Math.abs(times))) {
			return { problem: `Must be a multiple of ${multipleOf}` };
		}
	}
	return { json: text };
}

function readJson(field: Field, text: string): Piece {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (error) {
		const words = field.types.length === 0 ? 'JSON; a text stands in double quotes' : 'JSON';
		return { problem: `This is not ${words}: ${error instanceof Error ? error.message : ''}` };
	}
	if (value === null && !field.nullable && field.required) return { problem: 'Needs a value, null is none' };
	if (value !== null && field.types.length > 0 && !field.types.some((type) => isOfType(value, type))) {
		return { problem: `Needs ${field.types.map((type) => WORDS[type] ?? type).join(' or ')}` };
	}
	const { minItems, maxItems } = field.rules;
	if (Array.isArray(value) && minItems !== undefined && value.length < minItems) {
		return { problem: `Needs at least ${minItems} items, has ${value.length}` };
	}
	if (Array.isArray(value) && maxItems !== undefined && value.length > maxItems) {
		return { problem: `May have at most ${maxItems} items, has ${value.length}` };
	}
	return { json: text.trim() };
}

const WORDS: Record<string, string> = {
	object: 'an object, such as {"name": "Ada"}',
	array: 'a list, such as [1, 2]',
	string: 'a text in double quotes',
	integer: 'a whole number',
	number: 'a number',
	boolean: 'true or false'
};

function isOfType(value: unknown, type: string): boolean {
	switch (type) {
		case 'object':
			return isObject(value);
		case 'array':
			return Array.isArray(value);
		case 'integer':
			return Number.isInteger(value);
		default:
			return typeof value === type;
	}
}
