import { describe, expect, it } from 'vitest';
import { KEPT, LogText } from './log';

function text(log: LogText): string {
	return log.blocks.map((block) => block.text).join('');
}

function logged(...pieces: string[]): string {
	const log = new LogText();
	for (const piece of pieces) log.push(piece);
	log.end();
	return text(log);
}

describe('terminal codes', () => {
	it.each([
		['colours', '\x1b[1;31mred\x1b[0m', 'red'],
		['the cursor', 'a\x1b[2K\x1b[1Gb', 'ab'],
		['a title', '\x1b]0;title\x07text', 'text'],
		['a link', '\x1b]8;;https://example.com\x1b\\here\x1b]8;;\x1b\\', 'here'],
		['a character set', '\x1b(Bplain', 'plain'],
		['one-byte codes', '\x9b31mred', 'red'],
		['other controls', 'a\x00\x08\x7fb', 'ab'],
		['marks that turn the text round', 'a\u202eb\u2066c', 'abc']
	])('are taken out: %s', (_, raw, shown) => {
		expect(logged(raw)).toBe(shown);
	});

	it('are found when they are cut anywhere', () => {
		const raw = 'a\x1b[38;5;196mb\x1b]8;;x\x1b\\c\r\nd';
		for (let at = 0; at <= raw.length; at += 1) expect(logged(raw.slice(0, at), raw.slice(at))).toBe('abc\nd');
	});

	it('that never end hide no output', () => {
		expect(logged(`\x1b]0;never\nnext line\n`)).toBe(']0;never\nnext line\n');
		expect(logged('\x1b]' + 'x'.repeat(10_000), 'y')).toContain('y');
		expect(logged('last\x1b[')).toBe('last[');
	});

	it('are read in time that grows with the text alone', () => {
		const log = new LogText();
		log.push('\x1b['.repeat(300_000));
		log.push('\x1b[' + '0'.repeat(600_000));
		log.push('\x1b]'.repeat(300_000));
		log.end();
		expect(text(log)).not.toContain('\x1b');
	});
});

describe('lines', () => {
	it('end in one way', () => {
		expect(logged('a\r\nb\rc\n')).toBe('a\nb\nc\n');
		expect(logged('a\r', '\nb')).toBe('a\nb');
	});

	it('are counted over everything, also what was let go', () => {
		const log = new LogText();
		for (let index = 0; index < 50; index += 1) log.push('x'.repeat(99_999) + '\n');
		expect(log.lines).toBe(50);
		expect(log.cut).toBe(true);
	});

	it('stay whole in their block', () => {
		const log = new LogText();
		const line = 'a line of forty-one characters with its end\n';
		for (let index = 0; index < 5_000; index += 1) log.push(line);
		expect(log.blocks.length).toBeGreaterThan(3);
		for (const block of log.blocks) expect(block.text.endsWith('\n')).toBe(true);
		expect(text(log)).toBe(line.repeat(5_000));
	});

	it('of any length are cut into blocks, between characters', () => {
		const long = '🦊'.repeat(300_000);
		const log = new LogText();
		log.push('x' + long);
		expect(text(log)).toBe('x' + long);
		expect(log.blocks.length).toBeGreaterThan(1);
		for (const block of log.blocks) expect(block.text.isWellFormed()).toBe(true);
	});
});

describe('a long log', () => {
	it('keeps its end only, and says so', () => {
		const log = new LogText();
		for (let index = 0; index < 60_000; index += 1) log.push(`line ${index} ${'.'.repeat(90)}\n`);
		const kept = text(log);
		expect(log.cut).toBe(true);
		expect(kept.length).toBeLessThanOrEqual(KEPT);
		expect(kept.length).toBeGreaterThan(KEPT / 2);
		expect(kept.endsWith(`line 59999 ${'.'.repeat(90)}\n`)).toBe(true);
	});

	it('that comes in one piece keeps its end as well', () => {
		const log = new LogText();
		log.push('a'.repeat(KEPT) + 'the end');
		expect(log.cut).toBe(true);
		expect(text(log).endsWith('the end')).toBe(true);
		expect(text(log).length).toBeLessThanOrEqual(KEPT);
	});

	it('never changes a block but the last', () => {
		const log = new LogText();
		const seen = new Map<number, string>();
		for (let index = 0; index < 2_000; index += 1) {
			log.push(`${index} ${'.'.repeat(150)}\n`);
			for (const block of log.blocks.slice(0, -1)) {
				expect(block.text).toBe(seen.get(block.id) ?? block.text);
				seen.set(block.id, block.text);
			}
		}
		expect(seen.size).toBeGreaterThan(3);
	});
});
