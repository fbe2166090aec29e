// What a shop would add to its pages: the loader, and one call for each thing worth knowing.
// Calls before the visitor has chosen are dropped by the snippet; the shop need not ask.
(function () {
  'use strict';
  var me = document.currentScript;
  window._genesysJourneySdk = 'ac';
  var ac = (window.ac = window.ac || function () { (window.ac.q = window.ac.q || []).push(arguments); });
  ac.l = 1 * new Date();
  function call() { window.ac.apply(null, arguments); }

  call('init', 'fernhill', { deploymentId: me.getAttribute('data-deployment') });

  function attributes(from) {
    var out = {};
    if (from.sku) out.sku = from.sku;
    if (from.product) out.name = from.product;
    if (from.price) out.price = Number(from.price);
    if (from.value) out.value = Number(from.value);
    if (from.items) out.items = Number(from.items);
    return out;
  }

  // A reloaded thank-you page is not a second order.
  function reloaded() {
    var nav = performance.getEntriesByType('navigation')[0];
    return !!nav && nav.type === 'reload';
  }

  document.addEventListener('DOMContentLoaded', function () {
    var page = document.body.dataset;
    if (page.email) call('identify', page.email, { email: page.email, givenName: page.given || '' });
    if (page.record && !reloaded()) call('record', page.record, attributes(page));

    document.addEventListener('submit', function (e) {
      var form = e.target.dataset;
      if (form && form.record) {
        var about = attributes(form), count = e.target.elements.count;
        if (count) about.quantity = Number(count.value);
        call('record', form.record, about);
      }
    });

    document.querySelectorAll('[data-privacy-choices]').forEach(function (button) {
      button.hidden = false;
      button.addEventListener('click', function () { call('consent', 'open'); });
    });
  });
})();
