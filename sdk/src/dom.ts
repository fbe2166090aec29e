import type { Page } from './page'

/** An element with these attributes and children. */
export const h = (tag: string, attributes: Record<string, string>, ...kids: (Node | string)[]): HTMLElement => {
  const e = document.createElement(tag)
  for (const name in attributes) e.setAttribute(name, attributes[name]!)
  e.append(...kids)
  return e
}

/** Loads one of our stylesheets, in the theme of the deployment; resolves when it is there, or can't be. A strict style policy allows it. */
export const stylesheet = (page: Page, name: string): Promise<unknown> =>
  new Promise((done) => {
    const link = h('link', { rel: 'stylesheet', href: page.base_ + '/probity/sdk/v1/' + name + '.css?deployment=' + page.id_, referrerpolicy: 'no-referrer' })
    link.onload = link.onerror = done
    document.head.append(link)
  })
