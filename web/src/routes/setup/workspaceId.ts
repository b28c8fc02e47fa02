/** `Fernhill Coffee` → `fernhill-coffee`; '' when nothing of the name can be part of an id. */
export function workspaceId(name: string): string {
	return name
		.normalize('NFKD')
		.replace(/\p{M}/gu, '')
		.toLowerCase()
		.replace(/[^a-z0-9_]+/g, '-')
		.replace(/^[-_]+/, '')
		.slice(0, 50)
		.replace(/-+$/, '');
}
