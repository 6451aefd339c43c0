package demo

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"example.com/signet/services/producer/internal/ledger"
)

// MaxRate is the most orders a second a generator makes.
const MaxRate = 10000

const (
	workers     = 16 // orders under way at once: they share commits, so a high rate needs several
	ordersAUser = 5  // how many orders there are for each new user
)

// Generator makes users and orders at a steady rate.
type Generator struct {
	shop *Shop
	rate float64
	log  *zap.Logger

	mu    sync.Mutex
	users []string // the latest ones
	made  int

	stop context.CancelFunc
	done sync.WaitGroup
}

// NewGenerator makes a generator of rate completed orders a second, from 0 (none) to MaxRate. Each is created
// first, and now and then there is a new user.
func NewGenerator(shop *Shop, rate float64, log *zap.Logger) *Generator {
	return &Generator{shop: shop, rate: min(rate, MaxRate), log: log, stop: func() {}}
}

// Start begins, in goroutines of its own. It does nothing at a rate of 0.
func (g *Generator) Start() {
	if g.rate <= 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.stop = cancel
	turns := make(chan struct{})
	g.done.Go(func() { g.tick(ctx, turns) })
	for range workers {
		g.done.Go(func() {
			for range turns {
				g.order(ctx)
			}
		})
	}
}

// Stop ends it and waits for what is under way.
func (g *Generator) Stop() {
	g.stop()
	g.done.Wait()
}

// tick gives turns at the rate. A turn for which no worker is free is left out: an overloaded shop turns
// customers away rather than gathering a crowd.
func (g *Generator) tick(ctx context.Context, turns chan<- struct{}) {
	defer close(turns)
	ticker := time.NewTicker(time.Duration(float64(time.Second) / g.rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case turns <- struct{}{}:
		default:
		}
	}
}

// order makes one order and completes it. What goes wrong is told and forgotten: the next turn tries anew.
func (g *Generator) order(ctx context.Context) {
	userID, err := g.user(ctx)
	if err != nil {
		g.complain(err)
		return
	}
	order, _, err := g.shop.CreateOrder(ctx, userID, 100+rand.Int64N(19900), "EUR")
	if err != nil {
		g.complain(err)
		return
	}
	order, receipt, err := g.shop.CompleteOrder(ctx, order.ID)
	if err != nil {
		g.complain(err)
		return
	}
	g.log.Info("order "+order.ID+" completed", zap.String("amount", ledger.FormatMinor(order.AmountMinor)+" "+order.Currency),
		zap.String("message_id", receipt.ID))
}

func (g *Generator) complain(err error) {
	if !errors.Is(err, context.Canceled) {
		g.log.Warn("demo: nothing made", zap.Error(err))
	}
}

// user picks one of the latest users, or makes one when it is time to.
func (g *Generator) user(ctx context.Context) (string, error) {
	if known := g.pick(); known != "" {
		return known, nil
	}
	name := randomName()
	email := strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "@example.com"
	user, receipt, err := g.shop.CreateUser(ctx, name, email)
	if err != nil {
		return "", err
	}
	g.log.Info("user "+user.ID+" created", zap.String("name", name), zap.String("message_id", receipt.ID))
	g.remember(user.ID)
	return user.ID, nil
}

// pick answers "" when a new user is due.
func (g *Generator) pick() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	due := g.made%ordersAUser == 0
	g.made++
	if due || len(g.users) == 0 {
		return ""
	}
	return g.users[rand.IntN(len(g.users))]
}

func (g *Generator) remember(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	const keep = 100
	if g.users = append(g.users, id); len(g.users) > keep {
		g.users = g.users[1:]
	}
}

func randomName() string {
	first := []string{"Ada", "Alan", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Hedy", "Ken", "Margaret", "Niklaus", "Radia"}
	last := []string{"Baker", "Carter", "Fisher", "Gardener", "Mason", "Miller", "Potter", "Sawyer", "Smith", "Tailor", "Turner", "Weaver"}
	return first[rand.IntN(len(first))] + " " + last[rand.IntN(len(last))]
}
