/** The time of day, told once a second to whoever shows it. */

import { createSubscriber } from 'svelte/reactivity';

class Clock {
	#subscribe = createSubscriber((update) => {
		const ticking = setInterval(update, 1000);
		return () => clearInterval(ticking);
	});

	/** Milliseconds since 1970. */
	get now(): number {
		this.#subscribe();
		return Date.now();
	}
}

export const clock = new Clock();
