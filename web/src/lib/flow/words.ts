/** Times, durations and states in words. */

import type { JobState } from './job';

const STATES: Record<JobState, string> = {
	queued: 'Queued',
	waiting: 'Waiting',
	running: 'Running',
	success: 'Success',
	failure: 'Failure',
	canceled: 'Cancelled',
	skipped: 'Skipped'
};

export function stateWord(state: JobState): string {
	return STATES[state];
}

/** `84 ms`, `8.4 s`, `1 m 42 s`, `3 h 05 m`, `2 d 4 h`. */
export function duration(ms: number): string {
	const time = Math.max(0, ms);
	if (time < 999.5) return `${Math.round(time)} ms`;
	if (time < 9_950) return `${(time / 1000).toFixed(1)} s`;
	const s = Math.round(time / 1000);
	if (s < 60) return `${s} s`;
	if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
	if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
	return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** Of what still goes on: `0:41`, `12:05`, `1:02:09`. */
export function stopwatch(ms: number): string {
	const s = Math.max(0, Math.floor(ms / 1000));
	const rest = `${two(Math.floor((s % 3600) / 60))}:${two(s % 60)}`;
	return s < 3600 ? rest.replace(/^0/, '') : `${Math.floor(s / 3600)}:${rest}`;
}

/** `just now`, `6 min ago`, `3 h ago`, `2 d ago`; after that the date. */
export function ago(then: string, now: number): string {
	const time = new Date(then).getTime();
	const minutes = Math.floor((now - time) / 60_000);
	if (minutes < 1) return 'just now';
	if (minutes < 60) return `${minutes} min ago`;
	if (minutes < 1440) return `${Math.floor(minutes / 60)} h ago`;
	if (minutes < 14 * 1440) return `${Math.floor(minutes / 1440)} d ago`;
	return new Date(time).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' });
}

/** Date, time and zone, for who hovers. */
export function exactTime(text: string): string {
	return new Date(text).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' });
}

/** `512 B`, `38.4 kB`, `1.2 MB`. */
export function bytes(count: number): string {
	if (count < 1000) return `${count} B`;
	if (count < 999_950) return `${(count / 1000).toFixed(1)} kB`;
	return `${(count / 1_000_000).toFixed(1)} MB`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
	return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

function two(value: number): string {
	return String(value).padStart(2, '0');
}
