import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client';
import type { Job } from '../flow/job';
import { LiveJob, STREAM_KEPT, type Source, type Stream } from './liveJob.svelte';

const QUEUED = {
	type: 'QueuedJob',
	id: 'j',
	state: 'queued',
	running: false,
	waiting: { reason: 'busy', message: 'All slots are busy.' }
} as Job;
const RUNNING = { ...QUEUED, state: 'running', running: true, started_at: '2026-11-22T10:00:00Z', waiting: null } as Job;
const DONE = { ...RUNNING, type: 'CompletedJob', state: 'success', running: false, result: 7 } as Job;

class FakeStream implements Stream {
	onopen: Stream['onopen'] = null;
	onmessage: Stream['onmessage'] = null;
	onerror: Stream['onerror'] = null;
	closed = false;

	constructor(
		readonly running: boolean,
		readonly offset: number,
		readonly streamOffset: number
	) {}

	opens() {
		this.onopen?.(new Event('open'));
	}

	tells(event: object) {
		this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(event) }));
	}

	breaks() {
		this.onerror?.(new Event('error'));
	}

	close() {
		this.closed = true;
	}
}

class FakeServer implements Source {
	job: Job | ApiError = QUEUED;
	asked = 0;
	streams: FakeStream[] = [];

	async get(): Promise<Job> {
		this.asked += 1;
		if (this.job instanceof ApiError) throw this.job;
		return this.job;
	}

	follow(running: boolean, offset: number, streamOffset: number): FakeStream {
		const stream = new FakeStream(running, offset, streamOffset);
		this.streams.push(stream);
		return stream;
	}

	get stream(): FakeStream {
		const last = this.streams.at(-1);
		if (!last) throw new Error('no stream was opened');
		return last;
	}
}

function logOf(live: LiveJob): string {
	return live.log.blocks.map((block) => block.text).join('');
}

async function settle(): Promise<void> {
	await vi.advanceTimersByTimeAsync(0);
}

let server: FakeServer;
let live: LiveJob;

beforeEach(() => {
	vi.useFakeTimers();
	server = new FakeServer();
	live = new LiveJob(server);
});

afterEach(() => {
	live.close();
	vi.useRealTimers();
});

async function following(job: Job): Promise<void> {
	server.job = job;
	await live.start();
	server.stream.opens();
}

describe('a run that is watched', () => {
	it('is shown as it is, then followed from the beginning of its log', async () => {
		await following(RUNNING);
		expect(live.job).toEqual(RUNNING);
		expect(live.phase).toBe('following');
		expect([server.stream.running, server.stream.offset]).toEqual([true, 0]);
	});

	it('shows what is streamed of its result as it comes, also after a break', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'update', new_result_stream: 'one ', stream_offset: 4 });
		expect(live.streamed).toBe('one ');
		server.stream.breaks();
		await vi.advanceTimersByTimeAsync(1000);
		expect(server.stream.streamOffset).toBe(4);
		server.stream.tells({ type: 'update', new_result_stream: 'two', stream_offset: 7 });
		expect(live.streamed).toBe('one two');
	});

	it('keeps only the end of a long stream', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'update', new_result_stream: 'x'.repeat(STREAM_KEPT), stream_offset: STREAM_KEPT });
		server.stream.tells({ type: 'update', new_result_stream: 'end', stream_offset: STREAM_KEPT + 3 });
		expect(live.streamed.length).toBe(STREAM_KEPT);
		expect(live.streamed.endsWith('xend')).toBe(true);
	});

	it('shows the progress that it is told', async () => {
		await following(RUNNING);
		expect(live.progress).toBeNull();
		server.stream.tells({ type: 'update', progress: 40 });
		server.stream.tells({ type: 'update', new_logs: 'one\n', log_offset: 4 });
		expect(live.progress).toBe(40);
	});

	it('shows its log as it comes, and its end', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'update', new_logs: 'one\n', log_offset: 4 });
		server.stream.tells({ type: 'update', new_logs: 'two\n', log_offset: 8, completed: true, running: false, job: DONE });
		await settle();
		expect(logOf(live)).toBe('one\ntwo\n');
		expect(live.phase).toBe('ended');
		expect(live.job).toEqual(DONE);
		expect(server.stream.closed).toBe(true);
	});

	it('reads the job when the end comes without it', async () => {
		await following(RUNNING);
		server.job = DONE;
		server.stream.tells({ type: 'update', completed: true, running: false });
		await settle();
		expect(live.job).toEqual(DONE);
		expect(live.phase).toBe('ended');
	});

	it('says that it starts, with the worker that has it', async () => {
		await following(QUEUED);
		server.job = { ...RUNNING, worker: 'w-1' };
		server.stream.tells({ type: 'update', running: true });
		expect(live.job?.state).toBe('running');
		await settle();
		expect(live.job?.worker).toBe('w-1');
	});

	it('tells why it waits for as long as it waits', async () => {
		await following(QUEUED);
		server.job = { ...QUEUED, waiting: { reason: 'no_worker', message: 'No worker takes the tag gpu.' } };
		await vi.advanceTimersByTimeAsync(2_000);
		expect(live.job?.waiting?.reason).toBe('no_worker');
		server.job = RUNNING;
		server.stream.tells({ type: 'update', running: true });
		await settle();
		const asked = server.asked;
		await vi.advanceTimersByTimeAsync(10_000);
		expect(server.asked).toBe(asked);
	});

	it('is not put back by an answer that is older than the stream', async () => {
		await following(QUEUED);
		const answers: ((job: Job) => void)[] = [];
		server.get = () => new Promise((resolve) => answers.push(resolve));
		const slow = live.refresh();
		server.stream.tells({ type: 'update', running: true });
		answers[0]?.(QUEUED);
		await slow;
		expect(live.job?.state).toBe('running');
	});
});

describe('a stream', () => {
	it('that reaches its time is opened again at once, at the last offset', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'update', new_logs: 'one\n', log_offset: 4 });
		const first = server.stream;
		first.tells({ type: 'timeout' });
		expect(first.closed).toBe(true);
		expect(server.stream.offset).toBe(4);
		expect(live.phase).toBe('following');
		expect(server.asked).toBe(1);
	});

	it('that breaks is lost, until it is opened at the last offset', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'update', new_logs: 'one\n', log_offset: 4 });
		const first = server.stream;
		first.breaks();
		expect(live.phase).toBe('lost');
		expect(first.closed).toBe(true);
		await vi.advanceTimersByTimeAsync(1_000);
		server.stream.opens();
		expect(live.phase).toBe('following');
		expect(server.stream.offset).toBe(4);
		server.stream.tells({ type: 'update', new_logs: 'two\n', log_offset: 8 });
		expect(logOf(live)).toBe('one\ntwo\n');
	});

	it('that was left behind is not listened to', async () => {
		await following(RUNNING);
		const first = server.stream;
		first.tells({ type: 'timeout' });
		first.tells({ type: 'update', new_logs: 'ghost', log_offset: 5 });
		first.breaks();
		expect(logOf(live)).toBe('');
		expect(live.phase).toBe('following');
	});

	it('that breaks each time is tried ever more slowly', async () => {
		await following(RUNNING);
		for (let round = 0; round < 12; round += 1) {
			server.stream.opens();
			server.stream.breaks();
			await vi.advanceTimersByTimeAsync(15_000);
		}
		const tried = server.streams.length;
		server.stream.breaks();
		await vi.advanceTimersByTimeAsync(7_000);
		expect(server.streams.length).toBe(tried);
		await vi.advanceTimersByTimeAsync(8_000);
		expect(server.streams.length).toBe(tried + 1);
	});

	it('that falls silent is lost', async () => {
		await following(RUNNING);
		await vi.advanceTimersByTimeAsync(30_000);
		server.stream.tells({ type: 'ping' });
		await vi.advanceTimersByTimeAsync(30_000);
		expect(live.phase).toBe('following');
		await vi.advanceTimersByTimeAsync(10_000);
		expect(live.phase).toBe('lost');
	});

	it('with an event that nobody knows goes on', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'confetti' });
		expect(live.phase).toBe('following');
	});

	it('that tells an error is lost, and says why', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'error', error: 'the database is away' });
		expect([live.phase, live.problem]).toEqual(['lost', 'the database is away']);
	});
});

describe('a run that cannot be read', () => {
	it('is missing when the server knows none', async () => {
		server.job = new ApiError(404, 'job j');
		await live.start();
		expect([live.phase, live.problem]).toEqual(['missing', 'job j']);
		expect(server.streams).toEqual([]);
	});

	it('is missing when the stream says so', async () => {
		await following(RUNNING);
		server.stream.tells({ type: 'not_found' });
		expect(live.phase).toBe('missing');
		expect(server.stream.closed).toBe(true);
	});

	it('needs a login when the session has ended', async () => {
		await following(RUNNING);
		server.job = new ApiError(401, 'no session');
		server.stream.breaks();
		await vi.advanceTimersByTimeAsync(1_000);
		expect(live.phase).toBe('signed out');
	});

	it('is tried again while the server is away', async () => {
		server.job = new ApiError(0, 'away');
		await live.start();
		expect(live.phase).toBe('lost');
		server.job = RUNNING;
		await vi.advanceTimersByTimeAsync(1_000);
		expect(live.job).toEqual(RUNNING);
	});
});

describe('a page that is left', () => {
	it('lets go of the stream and of every timer', async () => {
		await following(QUEUED);
		live.close();
		expect(server.stream.closed).toBe(true);
		expect(vi.getTimerCount()).toBe(0);
	});

	it('opens no stream for an answer that comes late', async () => {
		const started = live.start();
		live.close();
		await started;
		expect(server.streams).toEqual([]);
	});
});
