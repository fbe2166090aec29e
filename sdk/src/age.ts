import type { Page } from './page'
import type { Notice } from './view'
import { PARENT, record, visitor, waiting } from './device'
import { h } from './dom'
import { ask } from './wire'

// Asks for an age before anything is granted where the deployment wants one, and asks a parent where the
// law does (Art. 8 GDPR). The question has no answer beforehand and names no threshold. Refusing needs no
// age: its button stays in place.

const API = '/probity/v1/consent/'
const COUNTRIES = 'AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK'

interface Age {
  age_band: string
  country: string
}

const post = async <T>(page: Page, path: string, body: object): Promise<T> => {
  const r = await ask(page, API + path, { deployment: page.id_, ...body })
  if (!r.ok) throw r.status
  return (await r.json()) as T
}

/**
 * Puts the question in the dialog's place. `choose` records the choice with what was answered and rejects with
 * the status of the server; `done` ends the dialog; `failed` says that something could not be recorded.
 */
const put = (page: Page, notice: Notice, on: string[], choose: (age: Age) => Promise<unknown>, done: () => void, failed: () => void): void => {
  const words = notice.age!
  const box = document.querySelector('.probity') as HTMLElement
  const [text, acts] = [...box.children] as [HTMLElement, HTMLElement]
  const kids = [...acts.children]
  const refuse = acts.querySelector('[data-probity=reject],[data-probity=withdraw_all]')!
  const back = (): void => {
    acts.replaceChildren(...kids)
    box.replaceChildren(text, acts)
    box.focus()
  }
  const button = (name: string, label: string): HTMLElement => h('button', { type: name == 'next' ? 'submit' : 'button', 'data-probity': name }, label)

  /** Shows a question; `next` carries on, and nothing else does. */
  const step = (title: string, about: string, fields: HTMLElement[], label: string, next: () => Promise<unknown>, others: Element[]): void => {
    const form = h('form', { lang: words['language']!, dir: 'auto' })
    let busy = false
    form.style.cssText = 'display:contents'
    form.addEventListener('submit', async (e) => {
      e.preventDefault()
      if (busy) return
      busy = true
      try {
        await next()
      } catch {
        failed()
      }
      busy = false
    })
    form.append(
      h('div', { class: 'probity-text' }, h('h2', { id: 'probity-title' }, title), h('p', { id: 'probity-intro' }, about), ...fields),
      h('div', { class: 'probity-acts' }, button('next', label), ...others),
    )
    box.replaceChildren(form)
    box.focus()
  }
  const field = (label: string, input: HTMLElement): HTMLElement => {
    input.style.cssText = 'font:inherit;min-height:44px;width:100%;padding:0 8px;border:1px solid'
    const f = h('label', {}, label, input)
    f.style.cssText = 'display:block;margin:8px 2px'
    return f
  }
  const leave = (): HTMLElement => {
    const b = button('back', notice.labels['back']!)
    b.addEventListener('click', back)
    return b
  }
  const options = (list: [value: string, text: string][]): HTMLElement[] => list.map(([value, text]) => h('option', { value }, text))

  const band = h('select', { name: 'age', required: '' }, ...options([['', words['choose']!], ['0-12', words['under']!], ['13', '13'], ['14', '14'], ['15', '15'], ['16+', words['over']!]])) as HTMLSelectElement
  const names = new Intl.DisplayNames(words['language'], { type: 'region' })
  const places = COUNTRIES.split(' ').map((c): [string, string] => [c, names.of(c)!])
  places.sort((a, b) => a[1].localeCompare(b[1], words['language']))
  const country = h('select', { name: 'country' }, ...options([['', '–'], ...places])) as HTMLSelectElement

  const tell = (): void => {
    const b = button('close', notice.labels['close']!)
    b.addEventListener('click', done)
    const form = h('div', { class: 'probity-text', lang: words['language']!, dir: 'auto' }, h('h2', { id: 'probity-title' }, words['parent']!), h('p', { id: 'probity-intro' }, words['sent']!))
    box.replaceChildren(form, h('div', { class: 'probity-acts' }, b))
    box.focus()
  }
  const parent = (age: Age): void => {
    const email = h('input', { type: 'email', name: 'parent', required: '', autocomplete: 'off' }) as HTMLInputElement
    step(words['parent']!, words['ask']!, [field(words['email']!, email)], words['send']!, async () => {
      const { nonce } = await post<{ nonce: string }>(page, 'served', { notice: notice.id, version: notice.version, language: notice.language })
      const id = visitor()
      const asked = await post<{ visitor: string }>(page, 'parents', { nonce, visitor: id, parent_email: email.value, purposes: on, ...age })
      if (asked.visitor != id) {
        // Until a parent agrees nothing is allowed; the number is kept for their answer alone.
        record([])
        localStorage[PARENT] = asked.visitor
      }
      tell()
    }, [refuse, leave()])
  }
  step(words['title']!, words['why']!, [field(words['age']!, band), field(words['country']!, country)], words['next']!, async () => {
    const age = { age_band: band.value, country: country.value }
    try {
      await choose(age)
      localStorage.removeItem(PARENT) // another choice was made than the one that waits
    } catch (status) {
      if (status != 403) throw status
      return parent(age)
    }
    done()
  }, [refuse, leave()])
}

/** Takes over what a parent has agreed to meanwhile. */
const resume = async (page: Page): Promise<void> => {
  const id = waiting()
  const state = await post<{ purposes: Record<string, { status: string }> }>(page, 'state', { visitor: id })
  const given = Object.keys(state.purposes).filter((p) => state.purposes[p]!.status == 'ConsentGiven')
  if (given[0]) {
    localStorage.removeItem(PARENT)
    record(given, id)
    page.apply_()
  }
}

export default { put_: put, resume_: resume }
