import { readFile, readdir, writeFile } from 'node:fs/promises';
import adapterStatic from '@sveltejs/adapter-static';
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

const BUNDLED = [
	'@fontsource-variable/inter',
	'@fontsource-variable/jetbrains-mono',
	'@lucide/svelte',
	'@sveltejs/kit',
	'svelte'
];

/** Fonts are known to a browser only once the styles are read, which is too late for `font-display: optional`. */
async function preloadFonts(page, assets) {
	const names = (await readdir(assets)).filter((name) => name.endsWith('.woff2')).sort();
	const links = names.map(
		(name) =>
			`<link rel="preload" as="font" type="font/woff2" crossorigin href="/_app/immutable/assets/${name}">`
	);
	const html = await readFile(page, 'utf8');
	await writeFile(page, html.replace('</head>', `${links.join('')}</head>`));
}

async function licences() {
	const texts = await Promise.all(
		BUNDLED.map(async (name) => {
			const folder = new URL(`node_modules/${name}/`, import.meta.url);
			const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
			return `${name}\n\n${await readFile(new URL(file, folder), 'utf8')}`;
		})
	);
	return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

/** adapter-static, with the fonts preloaded and the licences of what is bundled laid beside the files. */
function staticApp() {
	const inner = adapterStatic({ fallback: 'index.html', precompress: true });
	return {
		...inner,
		async adapt(builder) {
			const wrapped = Object.create(builder, {
				generateFallback: {
					async value(page) {
						await builder.generateFallback(page);
						await preloadFonts(page, `${builder.getClientDirectory()}/_app/immutable/assets`);
						await writeFile(new URL('build/licenses.txt', import.meta.url), await licences());
					}
				}
			});
			await inner.adapt(wrapped);
		}
	};
}

/** @type {import('@sveltejs/kit').Config} */
export default {
	preprocess: vitePreprocess(),
	kit: {
		adapter: staticApp(),
		csp: {
			mode: 'hash',
			directives: { 'script-src': ['self'], 'object-src': ['none'], 'base-uri': ['none'] }
		},
		// Which build a browser runs: after an upgrade a missing chunk means "load the page anew".
		version: { name: process.env.POSTMILL_UI_STAMP ?? 'development' }
	}
};
