package load

import (
	"fmt"
	"html"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The picture: three charts below each other, in pixels.
const (
	width      = 760
	height     = 240 // of a chart, with its title and axes
	marginX    = 70
	marginTop  = 34
	marginFoot = 36
)

// WriteSVG draws latencies by percentile and over time, and the rate.
func (r Result) WriteSVG(to io.Writer) error {
	_, err := io.WriteString(to, r.svg())
	return err
}

// WriteHTML writes a page with the picture below a summary in words.
func (r Result) WriteHTML(to io.Writer, title, summary string) error {
	_, err := fmt.Fprintf(to, `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>%s</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}h1{overflow-wrap:anywhere}pre{overflow-x:auto}svg{max-width:100%%;height:auto}</style>
<h1>%[1]s</h1>
<pre>%s</pre>
%s</html>
`, html.EscapeString(title), html.EscapeString(summary), r.svg())
	return err
}

func (r Result) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="12">`+"\n",
		width, 3*height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", width, 3*height)
	latencies := r.latencyAxis()
	r.percentiles(latencies).draw(&b, 0)
	r.overTime(latencies).draw(&b, height)
	r.rates().draw(&b, 2*height)
	b.WriteString("</svg>\n")
	return b.String()
}

// axis maps values to 0…1, and names some of them.
type axis struct {
	from, to float64
	ticks    map[float64]string
}

func (a axis) at(v float64) float64 { return min(max((v-a.from)/(a.to-a.from), 0), 1) }

// point is a place in a chart, in the axes' own measures.
type point struct{ x, y float64 }

type line struct {
	name, colour string
	points       []point
}

type chart struct {
	title string
	x, y  axis
	lines []line
}

// latencyAxis is logarithmic, in whole decades of microseconds around what was measured.
func (r Result) latencyAxis() axis {
	if r.Latencies.TotalCount() == 0 {
		return axis{to: 1}
	}
	from := math.Floor(math.Log10(float64(max(r.Latencies.Min(), 1))))
	a := axis{from: from, to: max(math.Ceil(math.Log10(float64(max(r.Latencies.Max(), 1)))), from+1), ticks: map[float64]string{}}
	for decade := a.from; decade <= a.to; decade++ {
		a.ticks[decade] = (time.Duration(math.Pow(10, decade)) * time.Microsecond).String()
	}
	return a
}

func decades(microseconds int64) float64 { return math.Log10(float64(max(microseconds, 1))) }

// percentiles has a tenth as many requests beyond each step of x as beyond the one before.
func (r Result) percentiles(y axis) chart {
	if r.Latencies.TotalCount() == 0 {
		return chart{title: "latency by percentile: no request was answered", x: axis{to: 1}, y: y}
	}
	nines := max(1, math.Ceil(math.Log10(float64(max(r.Latencies.TotalCount(), 1)))))
	c := chart{title: "latency by percentile, from when each request was due", x: axis{0, nines, map[float64]string{0: "0 %"}}, y: y}
	for n := 1.0; n <= nines; n++ {
		c.x.ticks[n] = strconv.FormatFloat(100-math.Pow(10, 2-n), 'f', max(0, int(n)-2), 64) + " %"
	}
	l := line{colour: "#0b6bcb"}
	for i := range 201 {
		n := nines * float64(i) / 200
		l.points = append(l.points, point{n, decades(r.Latencies.ValueAtQuantile(100 - math.Pow(10, 2-n)))})
	}
	c.lines = []line{l}
	return c
}

func (r Result) timeAxis() axis {
	a := axis{0, r.Plan.Duration.Seconds(), map[float64]string{}}
	for i := range 5 {
		at := a.to * float64(i) / 4
		a.ticks[at] = strconv.FormatFloat(at, 'g', 4, 64) + " s"
	}
	return a
}

func (r Result) overTime(y axis) chart {
	c := chart{title: "latency over time, by when requests were due", x: r.timeAxis(), y: y, lines: []line{
		{name: "max", colour: "#c41c1c"}, {name: "p99", colour: "#e08a00"}, {name: "p50", colour: "#0b6bcb"},
	}}
	parts := r.parts()
	for _, s := range parts {
		if s.Latencies.TotalCount() == 0 {
			continue
		}
		for i, q := range []float64{100, 99, 50} {
			c.lines[i].points = append(c.lines[i].points, point{r.middle(s, len(parts)), decades(s.Latencies.ValueAtQuantile(q))})
		}
	}
	return c
}

// enough is how many requests a part of the picture should have: with a few, a rate jumps up and down by itself.
const enough = 20

// parts is the timeline, in fewer parts where there were few requests.
func (r Result) parts() []Slice {
	together := 1
	for _, n := range []int{2, 3, 4, 5, 6, 10, 12, 15, 20, 30, slices} { // what slices can be divided by
		if r.Plan.Requests()*int64(together) >= enough*slices {
			break
		}
		together = n
	}
	var parts []Slice
	for i := 0; i < len(r.Timeline); i += together {
		sum := Slice{Latencies: hdrhistogram.New(1, longest, 2)}
		for _, s := range r.Timeline[i : i+together] {
			sum.Until, sum.Answered, sum.Failed = s.Until, sum.Answered+s.Answered, sum.Failed+s.Failed
			sum.Latencies.Merge(s.Latencies)
		}
		parts = append(parts, sum)
	}
	return parts
}

// middle is where on the axis of time one of so many parts is drawn.
func (r Result) middle(s Slice, parts int) float64 {
	return s.Until.Seconds() - r.Plan.Duration.Seconds()/float64(parts)/2
}

func (r Result) rates() chart {
	c := chart{title: "requests a second, by when they were due", x: r.timeAxis(), lines: []line{
		{name: "answered", colour: "#1a7f37"}, {name: "not answered", colour: "#c41c1c"},
	}}
	parts := r.parts()
	length := r.Plan.Duration.Seconds() / float64(len(parts))
	most := r.Plan.Rate
	for _, s := range parts {
		for i, n := range []int64{s.Answered, s.Failed} {
			c.lines[i].points = append(c.lines[i].points, point{r.middle(s, len(parts)), float64(n) / length})
			most = max(most, float64(n)/length)
		}
	}
	c.y = axis{0, most * 1.1, map[float64]string{0: "0", r.Plan.Rate: strconv.FormatFloat(r.Plan.Rate, 'g', 4, 64)}}
	return c
}

// draw draws the chart with its upper edge at top.
func (c chart) draw(b *strings.Builder, top int) {
	const right = width - 20
	low, high := float64(top+height-marginFoot), float64(top+marginTop)
	x := func(v float64) float64 { return marginX + c.x.at(v)*(right-marginX) }
	y := func(v float64) float64 { return low - c.y.at(v)*(low-high) }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", marginX, top+18, html.EscapeString(c.title))
	for v, name := range c.x.ticks {
		anchor := "middle"
		if c.x.at(v) == 1 {
			anchor = "end" // else a long one would not fit
		}
		fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n",
			x(v), high, low, x(v), low+16, anchor, name)
	}
	for v, name := range c.y.ticks {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			marginX, y(v), right, marginX-6, y(v)+4, name)
	}
	for i, l := range c.lines {
		var places []string
		for _, p := range l.points {
			places = append(places, fmt.Sprintf("%.1f,%.1f", x(p.x), y(p.y)))
		}
		if len(l.points) == 1 {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"/>`+"\n", x(l.points[0].x), y(l.points[0].y), 2+len(c.lines)-i, l.colour)
		}
		// Lines that lie on each other are seen all, as those above are thinner.
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="%.1f"/>`+"\n",
			strings.Join(places, " "), l.colour, 1.5+float64(len(c.lines)-1-i))
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s" text-anchor="end">%s</text>`+"\n", right-90*i, top+18, l.colour, l.name)
	}
}
