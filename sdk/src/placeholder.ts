import { granted, record, visitor } from './device'
import { h } from './dom'
import type { Page, Part } from './page'
import { type Config, json, language } from './settings'

/** Fills the place of a frame that waits: where it comes from, for what, and a button, if people can be asked for that. */
export default (page: Page, config: Config, box: HTMLElement, purposes: string[], src: string): void => {
  const known = purposes.map((id) => config.purposes?.find((p) => p.id == id))
  const titles = known.map((p, i) => p?.title || purposes[i]).join(', ')
  box.append(h('p', {}, (config.blocked || '').replace('{site}', new URL(src, location.href).hostname).replace('{purpose}', titles)))
  if (!known.every((p) => p?.basis == 'consent')) return
  const button = h('button', { type: 'button', 'data-probity': 'allow' }, config.allow || '')
  // What can't be granted so simply, as where an age is asked for, is asked in the privacy choices.
  button.addEventListener('click', (e) => allow(page, purposes, e).catch(() => import(page.base_ + '/probity/sdk/v1/banner.js').then((p: Part) => p.default(page, ''))))
  box.append(button)
}

/** Grants these purposes beside those that are; the others are answered as they stand. */
const allow = async (page: Page, purposes: string[], event: Event): Promise<void> => {
  const notice = await json<{ id: string; version: number; language: string; purposes: { id: string; basis: string }[] }>(page, 'deployments/' + page.id_ + '/notice?lang=' + language)
  const deployment = page.id_
  const { nonce } = await json<{ nonce: string }>(page, 'consent/served', { deployment, notice: notice.id, version: notice.version, language: notice.language })
  const on = [...(page.valid_ ? granted() : []), ...purposes]
  const out = await json<{ visitor: string | null; purposes: Record<string, boolean> }>(page, 'consent/choices', {
    deployment,
    nonce,
    visitor: visitor() || null,
    purposes: Object.fromEntries(notice.purposes.filter((p) => p.basis == 'consent').map((p) => [p.id, on.includes(p.id)])),
    ui: { component: 'placeholder', action: 'save', trusted: event.isTrusted },
    client_time: new Date().toISOString(),
  })
  record(Object.keys(out.purposes).filter((p) => on.includes(p) && out.purposes[p]), out.visitor)
  // The banner of this page, if it still asks, hears of it as those of other tabs do.
  dispatchEvent(new Event('storage'))
}
