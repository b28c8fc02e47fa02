/** The text of a log: terminal codes taken out, cut into blocks at line ends, only the end of it kept. */

/** Characters. */
export const KEPT = 2_000_000;
const BLOCK = 32_000;
/** A block grows to this only within one line, which it does not break before. */
const LONGEST_BLOCK = 4 * BLOCK;

/** A browser lays a block out anew for each piece added to it, so that blocks stay short. */
export interface Block {
	id: number;
	text: string;
}

/** The longest tail of a piece that is held back as the possible beginning of a terminal code. */
const LONGEST_CODE = 4096;

/* ECMA-48: ESC [ … final byte; ESC ] … BEL or ESC \ (and the other strings); ESC, intermediates, one more. Strings end
   with their line at the latest: a code that never ends hides no output. */
const CODE =
	/\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X][^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-Z\\^-~]|\x9b[0-?]*[ -/]*[@-~]/g;
const UNFINISHED = /(?:\x1b(?:\[[0-?]*[ -/]*|[\]P^_X][^\x07\x1b\x9c\n]*\x1b?|[ -/]*)|\x9b[0-?]*[ -/]*|\r)$/;
/* What is left of the control characters, and the marks that turn the direction of the text after them. */
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

export class LogText {
	readonly blocks: Block[] = [];
	/** Whether the beginning has been let go. */
	cut = false;
	/** Of the whole log, also of what was let go. */
	lines = 0;
	#length = 0;
	#next = 0;
	#held = '';

	/** Add what the server sent; a code, or "\r\n", may begin in one piece and end in the next. */
	push(piece: string): void {
		const text = this.#held + piece;
		const from = Math.max(0, text.length - LONGEST_CODE);
		const tail = UNFINISHED.exec(text.slice(from));
		const end = tail ? from + tail.index : text.length;
		this.#held = text.slice(end);
		this.#append(clean(text.slice(0, end)));
	}

	/** The run has ended: nothing comes after what was held back. */
	end(): void {
		const rest = this.#held;
		this.#held = '';
		this.#append(clean(rest));
	}

	get empty(): boolean {
		return this.#length === 0;
	}

	#append(text: string): void {
		this.lines += countLines(text);
		let from = Math.max(0, text.length - KEPT);
		this.cut ||= from > 0;
		while (from < text.length) {
			const last = this.#open();
			const to = blockEnd(text, from, last.text.length);
			last.text += text.slice(from, to);
			this.#length += to - from;
			from = to;
		}
		this.#drop();
	}

	/** The block that still takes text. */
	#open(): Block {
		const last = this.blocks.at(-1);
		const full = last && last.text.length >= BLOCK && last.text.endsWith('\n');
		if (last && !full && last.text.length < LONGEST_BLOCK - 1) return last;
		const block = { id: this.#next++, text: '' };
		this.blocks.push(block);
		return block;
	}

	#drop(): void {
		let gone = 0;
		while (this.#length > KEPT && gone < this.blocks.length - 1) {
			this.#length -= this.blocks[gone]?.text.length ?? 0;
			gone += 1;
		}
		if (gone > 0) {
			this.blocks.splice(0, gone);
			this.cut = true;
		}
	}
}

function clean(text: string): string {
	return text
		.replace(CODE, '')
		.replace(/\r\n?/g, '\n')
		.replace(CONTROL, '');
}

function countLines(text: string): number {
	let found = 0;
	for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) found += 1;
	return found;
}

/** Where to cut: at the end of the line with which the block is full; never inside a surrogate pair. */
function blockEnd(text: string, from: number, length: number): number {
	const line = text.indexOf('\n', from + Math.max(0, BLOCK - length - 1));
	const wanted = line < 0 ? text.length : line + 1;
	const most = from + LONGEST_BLOCK - length;
	if (wanted <= most) return wanted;
	const unit = text.charCodeAt(most - 1);
	return unit >= 0xd800 && unit <= 0xdbff ? most - 1 : most;
}
