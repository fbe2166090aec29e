// What stands on the visitor's device: one key without an identifier, and after a grant one cookie.

const KEY = 'probity_choice'
const COOKIE = '_actmu'
/** A choice lives 182 days, a refusal as long as a grant; in milliseconds. */
const LIFE = 157248e5
/** Where the number stands under which a parent's answer will be found. */
export const PARENT = '_act_parent'

/** The choice as it is stored, or "". */
export const stored = (): string => {
  try {
    return localStorage[KEY] || ''
  } catch {
    return ''
  }
}

/** The number that waits for a parent's answer, if there is one. */
export const waiting = (): string => {
  try {
    return localStorage[PARENT] || ''
  } catch {
    return ''
  }
}

/** The purposes of the stored choice; empty after a refusal or without a choice. */
export const granted = (): string[] => stored().split('.')[1]?.split(',').filter((p) => p != 'n') || []

/** Tells whether the stored choice still holds, by the rule of the gate. */
export const lives = (): boolean => Date.now() - Date.parse(stored().slice(-8).replace(/(....)(..)/, '$1-$2-')) < LIFE

/** The visitor id in the cookie, whatever the choice says. */
export const visitor = (): string | undefined => new RegExp(COOKIE + '=([^;]+)').exec(document.cookie)?.[1]

/**
 * Records a choice and tells the other tabs. The day is part of it so that it ends in time, and so that all
 * who choose alike on one day hold the same value. Without measuring nothing that identifies stays, unless
 * `keep` asks for the id until the server has confirmed.
 */
export const record = (purposes: string[], id?: string | null, keep?: boolean): void => {
  const measure = purposes.includes('measure')
  try {
    localStorage[KEY] = 'v1.' + (purposes.join() || 'n') + '.' + new Date().toISOString().slice(0, 10).replace(/-/g, '')
    if (measure && id) document.cookie = COOKIE + '=' + id + ';path=/;max-age=15724800;samesite=lax' + (location.protocol == 'https:' ? ';secure' : '')
  } catch {
    // Storage is blocked: the choice can't be remembered, so nothing else is either.
  }
  if (!measure && !keep) forget()
  const channel = new BroadcastChannel('probity')
  channel.postMessage(0)
  channel.close()
}

/** Leaves the device as if nobody had ever been asked. */
export const reset = (): void => {
  try {
    localStorage.removeItem(KEY)
  } catch {
    // Blocked storage holds nothing.
  }
  forget()
}

/** Deletes everything of ours, and of the tracker we replace, that could identify the device. */
export const forget = (): void => erase(/^_act/)

/** Deletes the cookies, on this domain and those above it, and the stored items whose names fit. */
export const erase = (names: RegExp): void => {
  for (const cookie of document.cookie.split('; ')) {
    const name = cookie.split('=')[0]!
    if (names.test(name)) {
      const gone = name + '=;path=/;max-age=0'
      document.cookie = gone
      for (let domain = location.hostname; domain; domain = domain.replace(/^[^.]*\.?/, '')) document.cookie = gone + ';domain=' + domain
    }
  }
  try {
    for (const storage of [localStorage, sessionStorage])
      for (const key of Object.keys(storage)) if (names.test(key)) storage.removeItem(key)
  } catch {
    // Blocked storage holds nothing.
  }
}
