/** What to do when the server says that nobody is logged in. */

import { goto } from '$app/navigation';
import { ApiError } from '../api/client';
import { loginPath } from '../flow/place';
import { session } from './session.svelte';

/** Go to the login page, which comes back here. */
export async function signIn(): Promise<void> {
	session.forget();
	await goto(loginPath(location.pathname + location.search), { replaceState: true });
}

/** The words of an error for the page; a missing login leaves the page instead. */
export function explain(error: unknown): string {
	if (error instanceof ApiError && error.status === 401) {
		void signIn();
		return '';
	}
	return error instanceof Error ? error.message : String(error);
}
