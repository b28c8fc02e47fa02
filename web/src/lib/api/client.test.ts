import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiError, getScript, logIn, runScript } from './client';

function answers(response: Response | Error) {
	const fetched = vi.fn(async (..._: Parameters<typeof fetch>) => {
		if (response instanceof Error) throw response;
		return response;
	});
	vi.stubGlobal('fetch', fetched);
	return fetched;
}

async function refusal(work: Promise<unknown>): Promise<ApiError> {
	const error = await work.catch((caught: unknown) => caught);
	if (!(error instanceof ApiError)) throw new Error(`no refusal, but ${String(error)}`);
	return error;
}

afterEach(() => vi.unstubAllGlobals());

describe('a call', () => {
	it('sends the arguments as the text that they are', async () => {
		const fetched = answers(new Response('0199\n', { status: 201 }));
		expect(await runScript('main', 'f/a b/c', '{"n":12345678901234567890}')).toBe('0199');
		const [address, init] = fetched.mock.calls[0] ?? [];
		expect(address).toBe('/api/w/main/jobs/run/p/f/a%20b/c');
		expect(init).toMatchObject({ method: 'POST', body: '{"n":12345678901234567890}' });
	});

	it('that is refused says why, in the words of the server', async () => {
		answers(new Response('Bad request: limit: must be at most 500', { status: 400 }));
		const error = await refusal(runScript('main', 'f/a', '{}'));
		expect([error.status, error.message]).toEqual([400, 'limit: must be at most 500']);
	});

	it('that comes too often says when to come again', async () => {
		answers(new Response('Too many requests: too many wrong passwords', { status: 429, headers: { 'Retry-After': '30' } }));
		expect((await refusal(logIn('a@b', 'x'))).retryAfter).toBe(30);
	});

	it('shows no page of a proxy as its reason', async () => {
		const headers = { 'Content-Type': 'text/html' };
		answers(new Response('<h1>Bad gateway</h1>', { status: 502, headers }));
		expect((await refusal(getScript('main', 'f/a'))).message).toBe('The server answered with status 502.');
	});

	it('without an answer is refused with status 0', async () => {
		answers(new TypeError('Failed to fetch'));
		const error = await refusal(getScript('main', 'f/a'));
		expect([error.status, error.retryAfter]).toEqual([0, null]);
	});
});
