/** JSON Schema of a script's arguments → the fields of a form. */

export type Kind =
	| 'text'
	| 'long text'
	| 'secret'
	| 'integer'
	| 'number'
	| 'boolean'
	| 'choice'
	| 'date'
	| 'date-time'
	| 'time'
	| 'json';

export interface Choice {
	label: string;
	value: unknown;
}

export interface Field {
	name: string;
	label: string;
	kind: Kind;
	/** What stands small beside the label: `int`, `date`, `"any" | "paid"`. */
	type: string;
	description: string;
	required: boolean;
	nullable: boolean;
	hasDefault: boolean;
	default: unknown;
	choices: Choice[];
	/** The JSON types that a `json` field takes; empty: any. */
	types: string[];
	rules: Rules;
}

export interface Rules {
	minimum?: number;
	maximum?: number;
	exclusiveMinimum?: number;
	exclusiveMaximum?: number;
	multipleOf?: number;
	minLength?: number;
	maxLength?: number;
	minItems?: number;
	maxItems?: number;
}

type Schema = Record<string, unknown>;

const RULES = [
	'minimum',
	'maximum',
	'exclusiveMinimum',
	'exclusiveMaximum',
	'multipleOf',
	'minLength',
	'maxLength',
	'minItems',
	'maxItems'
] as const;

const SCALARS: Record<string, Kind> = {
	string: 'text',
	integer: 'integer',
	number: 'number',
	boolean: 'boolean'
};

const TEXT_FORMATS: Record<string, Kind> = {
	date: 'date',
	'date-time': 'date-time',
	time: 'time',
	textarea: 'long text',
	markdown: 'long text',
	sql: 'long text',
	yaml: 'long text',
	password: 'secret'
};

const SHORT_TYPES: Record<string, string> = { boolean: 'bool', integer: 'int', array: 'list' };

export function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function strings(value: unknown): string[] {
	return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** The fields in the schema's own `order`, then those it forgot, as they are written. */
export function formOf(schema: unknown): Field[] {
	if (!isObject(schema) || !isObject(schema.properties)) return [];
	const properties = schema.properties;
	const named = strings(schema.order).filter((name) => Object.hasOwn(properties, name));
	const names = [...new Set([...named, ...Object.keys(properties)])];
	const required = new Set(strings(schema.required));
	return names.map((name) => {
		const rule = properties[name];
		return fieldOf(name, isObject(rule) ? rule : {}, required.has(name));
	});
}

function fieldOf(name: string, rule: Schema, required: boolean): Field {
	const types = strings(Array.isArray(rule.type) ? rule.type : [rule.type]);
	const choices = choicesOf(rule);
	const kind = choices.length > 0 ? 'choice' : kindOf(rule, types);
	return {
		name,
		label: typeof rule.title === 'string' && rule.title ? rule.title : name,
		kind,
		type: typeWords(rule, types, choices),
		description: typeof rule.description === 'string' ? rule.description : '',
		required,
		nullable: rule.nullable === true || types.includes('null'),
		hasDefault: Object.hasOwn(rule, 'default') && rule.default !== null,
		default: rule.default,
		choices,
		types: kind === 'json' ? types.filter((type) => type !== 'null') : [],
		rules: rulesOf(rule)
	};
}

function kindOf(rule: Schema, types: string[]): Kind {
	const plain = types.filter((type) => type !== 'null');
	const only = plain.length === 1 ? plain[0] : undefined;
	if (only === undefined || Array.isArray(rule.oneOf) || Array.isArray(rule.anyOf)) return 'json';
	if (only === 'string' && (rule.password === true || rule.sensitive === true)) return 'secret';
	if (only === 'string' && typeof rule.format === 'string') return TEXT_FORMATS[rule.format] ?? 'text';
	return SCALARS[only] ?? 'json';
}

function choicesOf(rule: Schema): Choice[] {
	if (!Array.isArray(rule.enum)) return [];
	const labels = isObject(rule.enumLabels) ? rule.enumLabels : {};
	return rule.enum
		.filter((value) => value !== null)
		.map((value) => {
			const text = typeof value === 'string' ? value : JSON.stringify(value);
			const label = Object.hasOwn(labels, text) ? labels[text] : undefined;
			return { label: typeof label === 'string' ? label : text, value };
		});
}

/** Whether null is taken as well is no news to people: the field may be left empty. */
function namesOf(types: string[]): string {
	const plain = types.filter((type) => type !== 'null');
	return plain.map((type) => SHORT_TYPES[type] ?? type).join(' | ');
}

function typeWords(rule: Schema, types: string[], choices: Choice[]): string {
	const words = choices.length > 0 ? 'choice' : namesOf(types);
	if (typeof rule.format !== 'string' || !rule.format) return words || 'any';
	if (rule.format.startsWith('resource-')) return rule.format.slice('resource-'.length);
	return types.includes('string') && choices.length === 0 ? rule.format : words;
}

function rulesOf(rule: Schema): Rules {
	const found: Rules = {};
	for (const key of RULES) {
		const value = rule[key];
		if (typeof value === 'number' && Number.isFinite(value)) found[key] = value;
	}
	return found;
}
