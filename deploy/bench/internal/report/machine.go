package report

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Machine is what the figures were measured on.
type Machine struct {
	CPUs int `json:"cpus"`
	// Load is how many threads wanted to run at the start, on average over the last one, five and fifteen minutes; nil
	// where the system does not say.
	Load []float64 `json:"load,omitempty"`
}

// ThisMachine reads what the system says, before anything of ours runs.
func ThisMachine() Machine {
	m := Machine{CPUs: runtime.NumCPU()}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = parseLoad(string(text))
	}
	return m
}

// parseLoad reads the first three fields of /proc/loadavg (proc_loadavg(5)); nil for anything else.
func parseLoad(text string) []float64 {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return nil
	}
	load := make([]float64, 3)
	for i := range load {
		var err error
		if load[i], err = strconv.ParseFloat(fields[i], 64); err != nil {
			return nil
		}
	}
	return load
}

// busy reports whether something else had a tenth of the machine or more.
func (m Machine) busy() bool { return len(m.Load) > 0 && m.Load[0] >= 0.1*float64(m.CPUs) }

// String tells of the machine in a line.
func (m Machine) String() string {
	text := fmt.Sprintf("%d CPUs", m.CPUs)
	if len(m.Load) > 0 {
		text += fmt.Sprintf(", load at the start %.2f %.2f %.2f", m.Load[0], m.Load[1], m.Load[2])
	}
	if m.busy() {
		text += ": something else was running, and the figures are worth less for it"
	}
	return text
}
