package http1

// Learn makes an HTTPS server known as one that speaks HTTP/1.1.
func Learn(t *Transport, scheme, hostPort string) { t.idle.learn(place{scheme, hostPort}) }
