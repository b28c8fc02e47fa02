/** A run as the server tells it, and the events that change it. */

import { isObject } from './form';

export type JobState = 'queued' | 'waiting' | 'running' | 'success' | 'failure' | 'canceled' | 'skipped';

export interface Waiting {
	reason: string;
	message: string;
}

export interface Job {
	type: 'QueuedJob' | 'CompletedJob';
	id: string;
	state: JobState;
	job_kind: string;
	script_path: string | null;
	script_hash: string | null;
	language: string | null;
	running: boolean;
	success: boolean;
	canceled: boolean;
	canceled_by: string | null;
	canceled_reason: string | null;
	created_by: string;
	created_at: string;
	started_at: string | null;
	completed_at: string | null;
	scheduled_for: string | null;
	duration_ms: number | null;
	tag: string;
	worker: string | null;
	attempts: number | null;
	mem_peak: number | null;
	end_reason: string | null;
	deleted?: boolean;
	args?: Record<string, unknown> | null;
	result?: unknown;
	/** The result is too long for the job's own JSON; `result` then only describes it. */
	result_is_large?: boolean;
	waiting?: Waiting | null;
}

export interface Update {
	running?: boolean;
	completed?: boolean;
	new_logs?: string;
	log_offset?: number;
	new_result_stream?: string;
	stream_offset?: number;
	mem_peak?: number | null;
	attempts?: number | null;
	progress?: number | null;
	waiting?: Waiting | null;
	job?: Job;
}

export type JobEvent =
	| ({ type: 'update' } & Update)
	| { type: 'ping' }
	| { type: 'timeout' }
	| { type: 'not found' }
	| { type: 'error'; message: string }
	| { type: 'unknown' };

const UNFINISHED: JobState[] = ['queued', 'waiting', 'running'];

export function isFinished(job: Job): boolean {
	return !UNFINISHED.includes(job.state);
}

/** Read the data of one server-sent event. Types of a newer server are unknown, and no reason to stop. */
export function readEvent(data: string): JobEvent {
	let value: unknown;
	try {
		value = JSON.parse(data);
	} catch {
		return { type: 'unknown' };
	}
	if (!isObject(value)) return { type: 'unknown' };
	switch (value.type) {
		case 'update':
			return { ...(value as Update), type: 'update' };
		case 'ping':
			return { type: 'ping' };
		case 'timeout':
			return { type: 'timeout' };
		case 'notfound':
		case 'not_found':
			return { type: 'not found' };
		case 'error':
			return { type: 'error', message: typeof value.error === 'string' ? value.error : '' };
		default:
			return { type: 'unknown' };
	}
}

/** The job after an update. Its end is told by the whole job, never guessed from flags. */
export function applyUpdate(job: Job, update: Update): Job {
	if (update.completed && update.job) return { ...update.job };
	const next = { ...job };
	if (update.running === true && !isFinished(job)) {
		next.running = true;
		next.state = 'running';
		next.waiting = null;
	}
	// A worker that died gave the job back.
	if (update.running === false && !update.completed && job.state === 'running') {
		next.running = false;
		next.state = 'queued';
	}
	if (update.mem_peak !== undefined) next.mem_peak = update.mem_peak;
	if (update.attempts !== undefined) next.attempts = update.attempts;
	if (update.waiting !== undefined) next.waiting = update.waiting;
	return next;
}

/** Milliseconds that it ran, or has run until `now`; null before it starts. */
export function ranFor(job: Job, now: number): number | null {
	if (job.duration_ms !== null) return job.duration_ms;
	return job.state === 'running' && job.started_at ? now - new Date(job.started_at).getTime() : null;
}

export interface RunError {
	name: string;
	message: string;
	stack: string;
}

/** The error of a run that failed: `{"error": {"name", "message", "stack"}}`; null when the result has another form. */
export function errorOf(job: Job): RunError | null {
	if (job.state !== 'failure') return null;
	const error = isObject(job.result) ? job.result.error : undefined;
	if (!isObject(error)) return null;
	const text = (value: unknown) => (typeof value === 'string' ? value : '');
	return { name: text(error.name) || 'Error', message: text(error.message), stack: text(error.stack) };
}
