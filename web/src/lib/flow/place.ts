/** Addresses inside of the app. */

/** Where to go after logging in: a path of this app, whatever the address bar says. */
export function ownPath(wanted: string | null): string {
	// "//host", "/\host" and "/<tab>/host" are other hosts to a browser.
	if (!wanted || !/^\/(?![/\\])[^\\\x00-\x20]*$/.test(wanted)) return '/';
	return /^\/(login|setup)\b/.test(wanted) ? '/' : wanted;
}

/** The address that logs in and comes back. */
export function loginPath(from: string): string {
	const next = ownPath(from);
	return next === '/' ? '/login' : `/login?next=${encodeURIComponent(next)}`;
}

/** A script's path keeps its slashes. */
export function encodePath(path: string): string {
	return path.split('/').map(encodeURIComponent).join('/');
}

export function scriptPage(workspace: string, path: string): string {
	return `/scripts/${encodeURIComponent(workspace)}/${encodePath(path)}`;
}

export function runPage(workspace: string, job: string): string {
	return `/run/${encodeURIComponent(workspace)}/${encodeURIComponent(job)}`;
}
