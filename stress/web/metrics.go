package web

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tracehammer/crashers"
	"tracehammer/stress/campaign"
)

// metric is one that is made of a target's counts.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*campaign.Count) float64
}

func perTarget(name, help string, kind prometheus.ValueType, value func(*campaign.Count) float64) metric {
	return metric{prometheus.NewDesc("tracehammer_"+name, help, []string{"target"}, nil), kind, value}
}

// sums are of all campaigns of the state directory, the one that runs included.
var sums = []metric{
	perTarget("runs_total", "Runs of scenarios that the oracle judged.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Runs) }),
	perTarget("operations_total", "System calls of scenarios that runs made.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Operations) }),
	perTarget("unknown_total", "Runs that the oracle could not decide; they count for nothing.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Unknown) }),
	perTarget("late_total", "Runs whose verdict took more states than it should.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Late) }),
	perTarget("violating_runs_total", "Runs with a violation, each of them counted.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Bad()) }),
	perTarget("boots_total", "Machines that were booted.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Boots) }),
	perTarget("restores_total", "Machines that began with the snapshot of one.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Restores) }),
	perTarget("lost_total", "Times that a machine went away in a way that says nothing about its kernel.", prometheus.CounterValue, func(c *campaign.Count) float64 { return float64(c.Lost) }),
}

// gauges are of the campaign that runs; without one they are not there.
var gauges = []metric{
	perTarget("runs_per_second", "Runs a second, over the whole of the campaign.", prometheus.GaugeValue, func(c *campaign.Count) float64 { return c.RunsPerSecond }),
	perTarget("rules_covered", "Different rules that runs of the campaign went through.", prometheus.GaugeValue, func(c *campaign.Count) float64 { return float64(c.RulesSeen) }),
	perTarget("blocks_covered", "Blocks of the kernel's code that runs of the campaign went through (KCOV).", prometheus.GaugeValue, func(c *campaign.Count) float64 { return float64(c.BlocksSeen) }),
}

var (
	findingsDesc = prometheus.NewDesc("tracehammer_findings", "Findings that are filed, by state.", []string{"state"}, nil)
	runningDesc  = prometheus.NewDesc("tracehammer_campaign_running", "Whether a campaign runs on the state directory.", nil, nil)
	recordDesc   = prometheus.NewDesc("tracehammer_campaigns_total", "Campaigns on record that have ended.", nil, nil)
	secondsDesc  = prometheus.NewDesc("tracehammer_campaign_seconds", "How long the campaign has run.", nil, nil)
	leftDesc     = prometheus.NewDesc("tracehammer_campaign_remaining_seconds", "How long the campaign will run yet; 0 if no end is planned.", nil, nil)
	newsDesc     = prometheus.NewDesc("tracehammer_news_age_seconds", "Age of the last new outcome or finding of the campaign.", nil, nil)
	outcomesDesc = prometheus.NewDesc("tracehammer_outcomes", "Distinct outcomes that the campaign has seen.", nil, nil)
	heldDesc     = prometheus.NewDesc("tracehammer_memory_bytes", "Memory of the process that runs the campaign.", nil, nil)
	heldMaxDesc  = prometheus.NewDesc("tracehammer_memory_limit_bytes", "Memory that the campaign may take.", nil, nil)
	diskDesc     = prometheus.NewDesc("tracehammer_state_bytes", "Size of the state directory.", nil, nil)
	diskMaxDesc  = prometheus.NewDesc("tracehammer_state_limit_bytes", "Size that the state directory may have.", nil, nil)
	waitingDesc  = prometheus.NewDesc("tracehammer_minimising", "Findings that wait for, or are in, confirmation and minimisation.", nil, nil)
	canaryDesc   = prometheus.NewDesc("tracehammer_canary_seen", "Whether the last campaign on record saw its canary, a planted bug.", nil, nil)
	unreadDesc   = prometheus.NewDesc("tracehammer_state_unreadable", "Whether something of the state directory cannot be read.", nil, nil)
	buildDesc    = prometheus.NewDesc("tracehammer_build_info", "This program.", []string{"version"}, nil)
)

// collector makes metrics of what a Server knows, whenever somebody asks.
type collector struct{ *Server }

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range sums {
		ch <- m.desc
	}
	for _, m := range gauges {
		ch <- m.desc
	}
	for _, d := range []*prometheus.Desc{findingsDesc, runningDesc, recordDesc, secondsDesc, leftDesc, newsDesc, outcomesDesc, heldDesc, heldMaxDesc, diskDesc, diskMaxDesc, waitingDesc, canaryDesc, unreadDesc, buildDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	v := c.campaign()
	past, err := c.campaigns()
	all, lerr := c.list()
	gauge(unreadDesc, one(err != nil || lerr != nil && v.Start == nil))
	gauge(buildDesc, 1, c.Version)
	byTarget := map[string]*campaign.Count{}
	add := func(n *campaign.Count) {
		sum := byTarget[n.Target]
		if sum == nil {
			sum = &campaign.Count{Target: n.Target}
			byTarget[n.Target] = sum
		}
		sum.Add(n)
	}
	ended := 0
	for i := range past {
		if v.Start != nil && past[i].ID == v.Start.Campaign {
			continue // what runs counts by itself, and goes on doing so when it is over
		}
		ended++
		for j := range past[i].PerTarget {
			add(&past[i].PerTarget[j])
		}
	}
	if n := len(past); n > 0 && past[n-1].Canary != nil {
		gauge(canaryDesc, one(past[n-1].Canary.Found))
	}
	gauge(runningDesc, one(v.Running()))
	if v.Start != nil {
		ended += int(one(v.Summary != nil))
		for i := range v.Progress.Targets {
			t := &v.Progress.Targets[i]
			add(t)
			for _, m := range gauges {
				ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(t), t.Target)
			}
		}
		gauge(secondsDesc, v.Progress.Seconds)
		gauge(leftDesc, v.Progress.Remaining)
		gauge(outcomesDesc, float64(v.Progress.Outcomes))
		gauge(heldDesc, float64(v.Progress.Memory))
		gauge(heldMaxDesc, float64(v.Start.Limits.Memory))
		gauge(diskDesc, float64(v.Progress.Disk))
		gauge(diskMaxDesc, float64(v.Start.Limits.Disk))
		gauge(waitingDesc, float64(v.Progress.Minimising))
		if v.Progress.NewsSeconds >= 0 {
			gauge(newsDesc, v.Progress.NewsSeconds)
		}
	}
	ch <- prometheus.MustNewConstMetric(recordDesc, prometheus.CounterValue, float64(ended))
	for target, n := range byTarget {
		for _, m := range sums {
			ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(n), target)
		}
	}
	for _, s := range byState(all) {
		if s.State != crashers.StateUnread || s.N > 0 {
			gauge(findingsDesc, float64(s.N), s.State.String())
		}
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// metrics serves what collector makes, and what the process itself takes.
func (s *Server) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s}, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
