/** A run that is watched until it ends.
 *
 * loading → following → ended, and following ⇄ lost: whatever breaks, the job is read again and the stream opened at
 * the last offsets that were told, so that no line of the log is missed or seen twice. Nothing here starts a run.
 */

import { ApiError, getJob, jobUpdates } from '../api/client';
import { applyUpdate, isFinished, readEvent, type Job, type Update } from '../flow/job';
import { LogText } from '../flow/log';

export type Phase = 'loading' | 'following' | 'lost' | 'ended' | 'missing' | 'signed out' | 'closed';

/** What of an EventSource is used. */
export interface Stream {
	onopen: ((event: Event) => void) | null;
	onmessage: ((event: MessageEvent<string>) => void) | null;
	onerror: ((event: Event) => void) | null;
	close(): void;
}

export interface Source {
	get(): Promise<Job>;
	follow(running: boolean, offset: number, streamOffset: number): Stream;
}

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** The server pings every 15 s; a stream that is silent for longer hangs. */
const SILENCE_MS = 40_000;
/** Why a run waits is not part of the stream: it is asked for while it waits. */
const WAITING_MS = 2_000;
export const STREAM_KEPT = 100_000;

export function serverSource(workspace: string, id: string): Source {
	return {
		get: () => getJob(workspace, id),
		follow: (running, offset, streamOffset) => jobUpdates(workspace, id, running, offset, streamOffset)
	};
}

export class LiveJob {
	job = $state.raw<Job | null>(null);
	phase = $state<Phase>('loading');
	/** Why the run cannot be shown, or the stream was lost. */
	problem = $state('');
	/** Counts the changes of `log`, which is no state itself: it changes too often. */
	logVersion = $state(0);
	readonly log = new LogText();
	/** What was streamed of the result, at most the last STREAM_KEPT characters. */
	streamed = $state('');
	/** Percent, as the job says; null when it says nothing. */
	progress = $state<number | null>(null);

	#source: Source;
	#stream: Stream | null = null;
	#offset = 0;
	#streamOffset = 0;
	#failures = 0;
	/** Of the state, as the stream told them. */
	#changes = 0;
	#retry: ReturnType<typeof setTimeout> | undefined;
	#silence: ReturnType<typeof setTimeout> | undefined;
	#look: ReturnType<typeof setTimeout> | undefined;

	constructor(source: Source) {
		this.#source = source;
	}

	/** Read the job and follow it; also after any break. */
	async start(): Promise<void> {
		this.#stop();
		try {
			const job = await this.#source.get();
			if (this.phase === 'closed') return;
			this.job = job;
		} catch (error) {
			if (this.phase !== 'closed') this.#refused(error);
			return;
		}
		this.#open();
	}

	/** The page is left. */
	close(): void {
		this.phase = 'closed';
		this.#stop();
	}

	/** Read the job's fields anew, beside the stream: after a cancel, or for why it waits. */
	async refresh(): Promise<void> {
		const changes = this.#changes;
		try {
			const job = await this.#source.get();
			// The stream tells the end, with the last lines of the log before it; and what it told meanwhile is newer.
			const newest = this.phase === 'following' && changes === this.#changes;
			if (newest && !isFinished(job)) this.job = job;
		} catch (error) {
			if (error instanceof ApiError && error.status === 401) return this.#refused(error);
		}
		this.#lookLater();
	}

	#open(): void {
		const stream = this.#source.follow(this.job?.running ?? false, this.#offset, this.#streamOffset);
		this.#stream = stream;
		stream.onopen = () => {
			if (this.#stream === stream) this.#heard();
		};
		stream.onmessage = (message) => {
			if (this.#stream === stream) this.#told(message.data);
		};
		// A browser would come back by itself, but with the offset of the first time.
		stream.onerror = () => {
			if (this.#stream === stream) this.#lost('');
		};
		this.#listen();
		this.#lookLater();
	}

	#heard(): void {
		this.#listen();
		this.phase = 'following';
		this.problem = '';
	}

	#told(data: string): void {
		this.#heard();
		// Only what was told counts: a stream that opens and breaks each time is still tried ever more slowly.
		this.#failures = 0;
		const event = readEvent(data);
		switch (event.type) {
			case 'update':
				return this.#update(event);
			case 'timeout':
				this.#stop();
				return this.#open();
			case 'not found':
				this.#stop();
				this.phase = 'missing';
				return;
			case 'error':
				return this.#lost(event.message);
			default:
				return;
		}
	}

	#update(update: Update): void {
		if (update.new_logs) {
			this.log.push(update.new_logs);
			this.logVersion += 1;
		}
		if (update.log_offset !== undefined) this.#offset = update.log_offset;
		if (update.new_result_stream) this.streamed = (this.streamed + update.new_result_stream).slice(-STREAM_KEPT);
		if (update.stream_offset !== undefined) this.#streamOffset = update.stream_offset;
		if (update.progress !== undefined) this.progress = update.progress;
		const before = this.job;
		if (before) this.job = applyUpdate(before, update);
		if (update.completed) {
			void this.#ended(update);
		} else if (this.job?.state !== before?.state) {
			this.#changes += 1;
			void this.refresh();
		}
	}

	async #ended(update: Update): Promise<void> {
		this.#stop();
		if (!update.job) {
			try {
				this.job = await this.#source.get();
			} catch {
				return this.#lost('');
			}
		}
		this.log.end();
		this.logVersion += 1;
		if (this.phase !== 'closed') this.phase = 'ended';
	}

	#refused(error: unknown): void {
		this.#stop();
		const status = error instanceof ApiError ? error.status : 0;
		this.problem = error instanceof Error ? error.message : String(error);
		if (status === 401) this.phase = 'signed out';
		else if (status === 404 || status === 403 || status === 400 || status === 422) this.phase = 'missing';
		else this.#lost(this.problem);
	}

	#lost(why: string): void {
		this.#stop();
		if (this.phase === 'closed') return;
		this.phase = 'lost';
		this.problem = why;
		const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
		this.#failures += 1;
		// Half of it by chance: after a restart not everybody comes back at once.
		this.#retry = setTimeout(() => void this.start(), wait * (0.5 + Math.random() / 2));
	}

	#listen(): void {
		clearTimeout(this.#silence);
		this.#silence = setTimeout(() => this.#lost(''), SILENCE_MS);
	}

	#lookLater(): void {
		clearTimeout(this.#look);
		const waits = this.job?.state === 'queued' || this.job?.state === 'waiting';
		if (waits && this.#stream) this.#look = setTimeout(() => void this.refresh(), WAITING_MS);
	}

	#stop(): void {
		this.#stream?.close();
		this.#stream = null;
		clearTimeout(this.#retry);
		clearTimeout(this.#silence);
		clearTimeout(this.#look);
	}
}
