// Google Consent Mode, basic: the tag itself waits like any other script of the page. It is fetched only where
// the deployment says which purpose stands for what Google calls a kind of consent.

const KINDS = ['ad_storage', 'ad_user_data', 'ad_personalization', 'analytics_storage', 'functionality_storage', 'personalization_storage', 'security_storage']
const win = window as { dataLayer?: unknown[] }

let told = ''

/** Google takes only what was passed to a function, not a list, for a command. */
const command = function (..._: unknown[]): unknown {
  return arguments
}

/** First, before all else that Google will hear, denies everything; then tells each choice and each withdrawal, once. */
export default (granted: (kind: string) => boolean, chosen: boolean): void => {
  const layer = (win.dataLayer ||= [])
  const state = (of: (kind: string) => boolean): object => Object.fromEntries(KINDS.map((k) => [k, of(k) ? 'granted' : 'denied']))
  if (!told) layer.unshift(command('consent', 'default', state(() => false)))
  told ||= '-'
  const now = state(granted)
  const text = JSON.stringify(now)
  if (chosen && told != text) {
    told = text
    layer.push(command('consent', 'update', now))
  }
}
