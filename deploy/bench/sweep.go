package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"example.com/signet/deploy/bench/internal/load"
)

// sweep measures ingest with more and more connections and draws what it finds.
func (b *bench) sweep(ctx context.Context) error {
	ours, err := b.startReceiver(ctx, "")
	if err != nil {
		return err
	}
	rates := plotter.XYs{}
	quantiles := map[float64]plotter.XYs{50: nil, 99: nil, 99.9: nil}
	for connections, step := 1, 0; connections <= 512; connections, step = connections*2, step+1 {
		result, err := load.Closed{
			Addr: ours.addr, Connections: connections, WarmUp: b.warmUp, Duration: b.duration, Want: http.StatusOK,
			NewRequest: load.Webhooks(secret, fmt.Sprintf("5%02x", step), b.seed),
		}.Run(ctx)
		if err != nil {
			return err
		}
		rates = append(rates, plotter.XY{X: float64(connections), Y: result.Rate()})
		for q := range quantiles {
			quantiles[q] = append(quantiles[q], plotter.XY{X: float64(connections), Y: float64(result.Latencies.ValueAtQuantile(q)) / 1000})
		}
	}
	if err := ours.stop(); err != nil {
		return err
	}
	return b.draw(rates, quantiles)
}

func (b *bench) draw(rates plotter.XYs, quantiles map[float64]plotter.XYs) error {
	throughput, err := chart("Webhooks stored and answered, SQLite", "a second", "webhooks", rates)
	if err != nil {
		return err
	}
	latency, err := chart("Time to the answer", "ms", "p50", quantiles[50], "p99", quantiles[99], "p99.9", quantiles[99.9])
	if err != nil {
		return err
	}
	canvas := vgsvg.New(9*vg.Inch, 4*vg.Inch)
	both := draw.New(canvas)
	tiles := draw.Tiles{Rows: 1, Cols: 2, PadX: vg.Centimeter}
	throughput.Draw(tiles.At(both, 0, 0))
	latency.Draw(tiles.At(both, 1, 0))
	file, err := os.Create(b.plot)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(file); err != nil {
		return err
	}
	return file.Close()
}

func chart(title, unit string, lines ...any) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, "connections", unit
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	return p, plotutil.AddLinePoints(p, lines...)
}
