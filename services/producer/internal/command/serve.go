package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/signet/pkg/service"
	"example.com/signet/services/producer/internal/app"
	"example.com/signet/services/producer/internal/config"
)

// stopWithin is how long the service may take to end.
const stopWithin = 10 * time.Second

func serve(ctx context.Context, s Surroundings) error {
	cfg, err := load(s)
	if err != nil {
		return err
	}
	log, err := service.NewLogger(cfg.LogLevel, cfg.LogFormat, s.Err)
	if err != nil {
		return err
	}
	defer service.TuneMemory()()
	producer := app.New(cfg, s.Version, log)
	if err := producer.Start(ctx); err != nil {
		return err
	}
	failed := producer.Failed(ctx)
	log.Info("stopping")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err = errors.Join(failed, producer.Stop(stopping))
	if err == nil {
		log.Info("stopped")
	}
	return err
}

func load(s Surroundings) (config.Config, error) {
	cfg, err := config.Load(s.Environ)
	if err != nil {
		return cfg, fmt.Errorf("the configuration is not usable:\n%w", err)
	}
	return cfg, nil
}

// healthcheck asks the service that runs on this machine with the same configuration.
func healthcheck(ctx context.Context, s Surroundings) error {
	cfg, err := load(s)
	if err != nil {
		return err
	}
	return service.Healthcheck(ctx, cfg.Addr)
}

func token(s Surroundings) error {
	cfg, err := load(s)
	if err != nil {
		return err
	}
	value, err := app.Token(cfg)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, value)
	return err
}
