import { describe, expect, it } from 'vitest';
import { applyUpdate, errorOf, ranFor, readEvent, type Job } from './job';

const QUEUED = {
	type: 'QueuedJob',
	id: 'j',
	state: 'queued',
	running: false,
	duration_ms: null,
	started_at: null,
	waiting: { reason: 'busy', message: 'All slots are busy.' }
} as Job;

describe('readEvent', () => {
	it.each([
		['{"type":"ping"}', 'ping'],
		['{"type":"timeout"}', 'timeout'],
		['{"type":"notfound"}', 'not found'],
		['{"type":"not_found"}', 'not found'],
		['{"type":"update","running":true}', 'update'],
		['{"type":"news"}', 'unknown'],
		['[1]', 'unknown'],
		['{"type"', 'unknown'],
		['', 'unknown']
	])('reads %s as %s', (data, type) => {
		expect(readEvent(data).type).toBe(type);
	});
});

describe('applyUpdate', () => {
	it('starts a queued run, which then waits for nothing', () => {
		expect(applyUpdate(QUEUED, { running: true })).toMatchObject({ state: 'running', running: true, waiting: null });
	});

	it('takes the whole job at the end', () => {
		const job = { ...QUEUED, type: 'CompletedJob', state: 'failure' } as Job;
		expect(applyUpdate(QUEUED, { completed: true, running: false, job })).toEqual(job);
	});

	it('guesses no end from a flag', () => {
		expect(applyUpdate({ ...QUEUED, state: 'running' }, { completed: true, running: false }).state).toBe('running');
	});

	it('queues a run again whose worker died', () => {
		expect(applyUpdate({ ...QUEUED, state: 'running', running: true }, { running: false }).state).toBe('queued');
	});

	it('leaves the job that it was given as it is', () => {
		applyUpdate(QUEUED, { running: true, attempts: 2, mem_peak: 7 });
		expect(QUEUED.state).toBe('queued');
	});
});

describe('errorOf', () => {
	it('reads the error of a failed run only', () => {
		const result = { error: { name: 'KeyError', message: "'x'", stack: 'Traceback' } };
		expect(errorOf({ ...QUEUED, state: 'failure', result })?.name).toBe('KeyError');
		expect(errorOf({ ...QUEUED, state: 'success', result })).toBeNull();
		expect(errorOf({ ...QUEUED, state: 'canceled', result })).toBeNull();
	});

	it('copes with a result of any form', () => {
		for (const result of [null, 'x', [], { error: 'x' }]) expect(errorOf({ ...QUEUED, state: 'failure', result })).toBeNull();
		expect(errorOf({ ...QUEUED, state: 'failure', result: { error: { message: 7 } } })).toEqual({
			name: 'Error',
			message: '',
			stack: ''
		});
	});
});

describe('ranFor', () => {
	it('counts while it runs, and then tells what the server measured', () => {
		const running = { ...QUEUED, state: 'running', started_at: '2026-11-22T10:00:00Z' } as Job;
		expect(ranFor(running, Date.parse('2026-11-22T10:00:05Z'))).toBe(5000);
		expect(ranFor({ ...running, state: 'success', duration_ms: 12 }, 0)).toBe(12);
		expect(ranFor(QUEUED, 0)).toBeNull();
	});
});
