package relay

// Journaled makes a store put everything through the journal that it has.
func Journaled(c *Config) { c.journaled = true }
