/** A result that is a list of objects is a table: a row each, a column for each key. */

import { isObject } from './form';

/** More columns than these are no table for people. */
export const MOST_COLUMNS = 50;

export interface Table {
	columns: string[];
	rows: Record<string, unknown>[];
}

/** The table, or null when the value is none: an empty list, a list of anything else, too many different keys. */
export function tableOf(value: unknown): Table | null {
	if (!Array.isArray(value) || value.length === 0 || !value.every(isObject)) return null;
	const columns = new Set<string>();
	for (const row of value) {
		for (const key of Object.keys(row)) columns.add(key);
		if (columns.size > MOST_COLUMNS) return null;
	}
	return columns.size > 0 ? { columns: [...columns], rows: value } : null;
}

/** A cell: text as it is, nothing for what is not there, anything else as JSON. */
export function cell(value: unknown): string {
	if (value === undefined || value === null) return '';
	return typeof value === 'string' ? value : JSON.stringify(value);
}
