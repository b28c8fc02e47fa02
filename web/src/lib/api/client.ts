/** The calls that the pages make. Nothing else here fetches. */

import type { Job } from '../flow/job';
import { encodePath } from '../flow/place';

export interface Workspace {
	id: string;
	name: string;
	username: string;
	role: string;
	disabled: boolean;
}

export interface ScriptLine {
	path: string;
	summary: string;
	hash: string;
	language: string;
	created_at: string;
}

export interface Script extends ScriptLine {
	description: string;
	content: string;
	schema: unknown;
	no_main_func: boolean | null;
}

export interface FirstStart {
	token: string;
	email: string;
	password: string;
	workspace: { id: string; name: string };
	/** Begin with example scripts. */
	examples: boolean;
}

/** An answer that is no success, or none at all (status 0). The message is the server's, without its kind. */
export class ApiError extends Error {
	constructor(
		readonly status: number,
		message: string,
		/** Seconds; null when the server did not say. */
		readonly retryAfter: number | null = null
	) {
		super(message);
		this.name = 'ApiError';
	}
}

async function call(path: string, init: RequestInit = {}): Promise<Response> {
	let response: Response;
	try {
		response = await fetch(`/api${path}`, { credentials: 'same-origin', ...init });
	} catch {
		throw new ApiError(0, 'The server cannot be reached. Is it running, and are you online?');
	}
	if (!response.ok) throw await errorOf(response);
	return response;
}

async function errorOf(response: Response): Promise<ApiError> {
	const html = response.headers.get('content-type')?.includes('html');
	const text = html ? '' : (await response.text().catch(() => '')).slice(0, 4000);
	const message = text.replace(/^(?!Not found)[A-Z][a-z ]+: /, '').trim();
	const seconds = Number(response.headers.get('retry-after') ?? NaN);
	return new ApiError(
		response.status,
		message || `The server answered with status ${response.status}.`,
		Number.isFinite(seconds) ? seconds : null
	);
}

async function json<T>(path: string): Promise<T> {
	return (await (await call(path)).json()) as T;
}

/** `body` is JSON text: what people typed as numbers reaches the server digit by digit. */
async function post(path: string, body: string): Promise<string> {
	const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body };
	return (await call(path, init)).text();
}

function at(workspace: string): string {
	return `/w/${encodeURIComponent(workspace)}`;
}

export function setupState(token: string): Promise<{ open: boolean; valid: boolean }> {
	return json(`/auth/setup?token=${encodeURIComponent(token)}`);
}

export async function setUp(wish: FirstStart): Promise<void> {
	await post('/auth/setup', JSON.stringify(wish));
}

export async function logIn(email: string, password: string): Promise<void> {
	await post('/auth/login', JSON.stringify({ email, password }));
}

export async function logOut(): Promise<void> {
	await call('/auth/logout', { method: 'POST' });
}

export function myWorkspaces(): Promise<{ email: string; workspaces: Workspace[] }> {
	return json('/workspaces/users');
}

/** One page of scripts, from 1; a page shorter than `count` is the last one. */
export function listScripts(workspace: string, page: number, count: number): Promise<ScriptLine[]> {
	return json(`${at(workspace)}/scripts/list?page=${page}&per_page=${count}`);
}

export function getScript(workspace: string, path: string): Promise<Script> {
	return json(`${at(workspace)}/scripts/get/p/${encodePath(path)}`);
}

/** The newest runs first, without arguments and results. */
export function listRuns(workspace: string, count: number): Promise<Job[]> {
	return json(`${at(workspace)}/jobs/list?job_kinds=script,preview&per_page=${count}`);
}

/** Answers with the id of the new run. */
export async function runScript(workspace: string, path: string, args: string): Promise<string> {
	return (await post(`${at(workspace)}/jobs/run/p/${encodePath(path)}`, args)).trim();
}

/** Without its log, which `jobUpdates` tells from any offset on. */
export function getJob(workspace: string, id: string): Promise<Job> {
	return json(`${at(workspace)}/jobs_u/get/${encodeURIComponent(id)}?no_logs=true&no_code=true`);
}

/** The arguments as they were sent: JSON text. */
export async function getArgs(workspace: string, id: string): Promise<string> {
	return (await call(`${at(workspace)}/jobs_u/get_args/${encodeURIComponent(id)}`)).text();
}

export async function cancelJob(workspace: string, id: string, reason: string): Promise<void> {
	await post(`${at(workspace)}/jobs_u/queue/cancel/${encodeURIComponent(id)}`, JSON.stringify({ reason }));
}

/** From these offsets on, of the log and of the result that is streamed. */
export function jobUpdates(
	workspace: string,
	id: string,
	running: boolean,
	offset: number,
	streamOffset: number
): EventSource {
	const cursor = `running=${running}&log_offset=${offset}&stream_offset=${streamOffset}&get_progress=true`;
	return new EventSource(`/api${at(workspace)}/jobs_u/getupdate_sse/${encodeURIComponent(id)}?${cursor}`);
}

/** For a download link. */
export function resultAddress(workspace: string, id: string): string {
	return `/api${at(workspace)}/jobs_u/completed/get_result/${encodeURIComponent(id)}`;
}

/** For a download link. */
export function logAddress(workspace: string, id: string): string {
	return `/api${at(workspace)}/jobs_u/get_logs/${encodeURIComponent(id)}`;
}
