import { BEHAVIOUR, type Call, type Page, type Part, REFUSED } from './page'

// The gate. It runs on every page, remembers nothing, and decides from the recorded choice
// which of the other files is fetched: the tracker, the banner or none, and the one for other tools where a page has any.

type Stub = ((...call: unknown[]) => unknown) & { q?: Call[]; c?: { deploymentId?: string } }

const win = window as unknown as Record<string, Stub | undefined> & { _genesysJourneySdk?: string; _genesysJs?: string }
const doc = document
const script = doc.currentScript as HTMLScriptElement
const data = script.dataset
/** What opens the privacy choices. Pages may place their own; with the value `withdraw` it takes everything back in one click. */
const CONTROL = '[data-privacy-choices]'

const part = (name: string, command?: string): unknown =>
  // import() needs neither inline code nor a Trusted Types policy, and names this file, not the page, as referrer.
  import(page.base_ + '/probity/sdk/v1/' + name + '.js').then((p: Part) => p.default(page, command), () => {})

const apply = (): void => {
  let token = ''
  try {
    token += localStorage['probity_choice']
  } catch {
    // Storage is blocked: there is no choice, so nothing is allowed.
  }
  const [, cookie] = /_actmu=([^;]+)/.exec(doc.cookie) || ''
  // A choice lives 182 days, a refusal as long as a grant. Anything else than a date in it is no choice.
  page.valid_ = (new Date() as never) - (new Date(token.replace(/.*\.(....)(..)/, '$1-$2-')) as never) < 157248e5
  const measure = page.valid_ && /measure/.test(token)
  page.visitor_ = measure && cookie
  if (page.id_ && doc.readyState[7]) {
    // The document is parsed: 'interactive' and 'complete' have an eighth letter, 'loading' has none.
    // A visitor id without a grant is a withdrawal that the server has not confirmed: the banner's file delivers it.
    // A grant without a visitor id can't be acted on: ask again.
    if (!page.valid_ || measure || cookie) part(page.visitor_ ? 'tracker' : 'banner')
    // What waits for its purpose: tools of the site's own.
    if (doc.querySelector('[data-purpose]')) part('others')
    if (!doc.querySelector(CONTROL)) {
      const button = doc.createElement('button')
      button.dataset['privacyChoices'] = ''
      button.append(data['label'] || 'Privacy choices')
      // Through the object model, which a strict style policy allows.
      button.style.cssText = 'position:fixed;bottom:0;left:0;min-height:44px;z-index:99'
      doc.body.append(button)
    }
  }
}

const page = {
  base_: new URL(script.src || data['host']!).origin,
  id_: data['deployment'],
  calls_: [] as Call[],
  apply_: apply,
} as unknown as Page

const call = (c: Call): unknown => {
  const name = c[+(c[0] == 'command')]
  // Behaviour before a choice is dropped, never queued.
  if (!page.visitor_ && BEHAVIOUR.test(name as string)) return REFUSED
  if (page.run_) return page.run_(c)
  page.calls_.push(c)
  if (name == 'init') {
    page.id_ ||= ((c[2] as { deploymentId?: string } | undefined)?.deploymentId || c[1]) as string
    apply()
  }
  return
}

for (const name of [win._genesysJourneySdk || 'ac', win._genesysJs || 'ac']) {
  const stub = win[name]
  win[name] = (...c) => call(c)
  page.id_ ||= stub?.c?.deploymentId
  stub?.q?.forEach(call)
}

addEventListener('click', (e) => {
  const opener = (e.target as Element).closest<HTMLElement>(CONTROL)
  if (opener) part('banner', opener.dataset['privacyChoices'])
})
for (const e of ['DOMContentLoaded', 'storage', 'pageshow']) addEventListener(e, apply)
apply()
