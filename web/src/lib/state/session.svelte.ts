/** Who is logged in, and the workspace they work in. */

import { ApiError, logOut, myWorkspaces, type Workspace } from '../api/client';

const KEPT = 'postmill.workspace';

function remembered(): string | null {
	try {
		return localStorage.getItem(KEPT);
	} catch {
		return null;
	}
}

class Session {
	email = $state('');
	workspaces = $state<Workspace[]>([]);
	loaded = $state(false);
	/** Why there is no session to work with, unless it is that nobody is logged in. */
	problem = $state('');
	#chosen = $state<string | null>(null);

	/** The chosen workspace, or the first. */
	workspace = $derived(this.workspaces.find((one) => one.id === this.#chosen) ?? this.workspaces[0]);

	/** Ask once a visit.
	 *
	 * @throws ApiError with status 401: nobody is logged in.
	 */
	async load(): Promise<void> {
		if (this.loaded) return;
		this.problem = '';
		try {
			const found = await myWorkspaces();
			this.email = found.email;
			this.workspaces = found.workspaces.filter((one) => !one.disabled);
			this.#chosen ??= remembered();
			this.loaded = true;
		} catch (error) {
			if (!(error instanceof ApiError) || error.status === 401) throw error;
			this.problem = error.message;
		}
	}

	choose(id: string): void {
		this.#chosen = id;
		try {
			localStorage.setItem(KEPT, id);
		} catch {
			// A browser that keeps nothing forgets the choice with the page.
		}
	}

	async end(): Promise<void> {
		await logOut();
		this.forget();
	}

	/** Somebody else may log in next. */
	forget(): void {
		this.email = '';
		this.workspaces = [];
		this.loaded = false;
		this.problem = '';
	}
}

export const session = new Session();
