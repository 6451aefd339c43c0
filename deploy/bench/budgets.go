package main

import "example.com/signet/deploy/bench/internal/report"

// budgets are what the design asks for, on two cores with everything on one machine.
var budgets = map[string]report.Budget{
	"ingest (SQLite)":                                                        {Bound: 0.70, AtLeast: true},
	"ingest (PostgreSQL)":                                                    {Bound: 0.50, AtLeast: true},
	"accepted and processed (SQLite)":                                        {Bound: 0.40, AtLeast: true},
	"drain (SQLite)":                                                         {Bound: 0.70, AtLeast: true},
	"publish to recorded (SQLite)":                                           {Bound: 0.35, AtLeast: true},
	"publish to endpoint p50 at 200/s (SQLite)":                              {Bound: 1.5},
	"publish to endpoint p99 at 200/s (SQLite)":                              {Bound: 6},
	"CPU of the producer per 10,000 deliveries (drain) (SQLite)":             {Bound: 1.2},
	"CPU of the producer per 10,000 events published and delivered (SQLite)": {Bound: 1.2},
	"ingest among 5,000,000 stored (SQLite)":                                 {Bound: 0.90, AtLeast: true},
	"drain among 5,000,000 stored (SQLite)":                                  {Bound: 0.90, AtLeast: true},
	"memory at full ingest (SQLite)":                                         {Bound: 96},
	"receiver start to ready (SQLite)":                                       {Bound: 150},
	"producer start to ready (SQLite)":                                       {Bound: 150},
}
