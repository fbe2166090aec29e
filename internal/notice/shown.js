// The page with this file shows the banner's real files with the notice that the page holds. Nothing is
// asked of a server and nothing is recorded: a choice that is made here fails.
{
  const notice = document.getElementById('notice').textContent
  try {
    void document.cookie
  } catch {
    // A frame of its own world has no cookies, not even to ask for.
    Object.defineProperty(document, 'cookie', { value: '', writable: true })
  }
  window.fetch = (url) =>
    Promise.resolve(/\/notice\?/.test(String(url)) ? new Response(notice, { headers: { 'Content-Type': 'application/json' } }) : new Response('{}', { status: 503 }))
}
