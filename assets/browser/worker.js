// Shows what a push service brings, also while no page is open. One notification replaces another with the same tag: a
// recovery its failure, and a repeat itself.
"use strict";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  let notice;
  try {
    notice = event.data.json();
  } catch {
    // A browser must show something for every push, or it takes the permission away.
    notice = { title: "Something happened", body: "", tag: "unreadable", timestamp: Date.now() };
  }
  event.waitUntil(
    self.registration.showNotification(notice.title, {
      body: notice.body,
      tag: notice.tag,
      timestamp: notice.timestamp,
      data: notice,
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const open = async () => {
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    return pages.length > 0 ? pages[0].focus() : self.clients.openWindow("./");
  };
  event.waitUntil(open());
});
