// Package web shows a state directory, and the campaign that works on it, as pages for people and as metrics for Prometheus.
//
// A Server is a campaign.Reporter beside the one that writes text; without a campaign it shows what is filed. It only ever
// reads: no page changes anything, and no request but GET and HEAD is answered. Titles, consoles, scenarios and file names
// come from kernels and from other people: they are text wherever they stand, and the pages need neither scripts nor anything
// from elsewhere.
//
// Lock order: live.mu and cache.mu are leaves, never held together. Report may be called while pages are served.
package web
