import { listen } from './listen'

export interface FormOptions {
  selector?: string
  formName?: string
  customAttributes?: Record<string, unknown>
}

type Field = HTMLInputElement

/** Fields that a person fills in and that are not secret. */
const fields = (form: HTMLFormElement): Field[] =>
  ([...form.elements] as Field[]).filter(
    (f) => f.name && !/hidden|passw|submit|button|reset|image|file|card|cc-|cv[cv]|iban|ssn|pin(?![a-z])/i.test(f.type + ' ' + f.name + ' ' + f.autocomplete) && !f.closest('[data-private]'),
  )

/** The value of a field that the page maps to a trait, unless it is secret. */
export const fieldValue = (form: HTMLFormElement, name: string): string | undefined => fields(form).find((f) => f.name == name)?.value

/**
 * Reports forms that were sent, and those begun and left: how the fields are called and which are filled,
 * never what they hold.
 */
export const forms = (signal: AbortSignal, o: FormOptions, hit: (form: HTMLFormElement, name: string, attributes: Record<string, unknown>) => unknown): void => {
  const begun = new Set<HTMLFormElement>()
  const report = (form: HTMLFormElement, name: string): void => {
    begun.delete(form)
    const all = fields(form)
    const filled = all.filter((f) => (/box|radio/.test(f.type) ? f.checked : f.value))
    hit(form, name, {
      ...o.customAttributes,
      formName: o.formName || form.getAttribute('name') || form.id,
      fields: filled.map((f) => f.name).join(),
      filled: filled.length,
      total: all.length,
    })
  }
  listen(signal, 'change submit', (e) => {
    const form = (e.target as Element).closest('form')
    if (form?.matches(o.selector || '*')) {
      if (e.type == 'submit') report(form, 'form_submitted')
      else begun.add(form)
    }
  })
  listen(signal, 'pagehide', () => begun.forEach((form) => report(form, 'form_abandoned')))
}
