package relay

// gather adds operations that wait to a group, up to limit, leaving out those withdrawn.
func gather(group []*op, queue <-chan *op, limit int) []*op {
	for len(group) < limit {
		select {
		case o := <-queue:
			if o.take() {
				group = append(group, o)
			}
		default:
			return group
		}
	}
	return group
}

// gatherMessages is gather for a commit of engine operations, up to so many messages or one operation more.
func gatherMessages(group []*op, queue <-chan *op, messages int) []*op {
	for _, o := range group {
		messages -= len(o.drafts)
	}
	for messages > 0 && len(group) < maxGroup {
		n := len(group)
		if group = gather(group, queue, n+1); len(group) == n {
			break
		}
		messages -= len(group[n].drafts)
	}
	return group
}

// gatherProcessing is gather for effects of deliveries. Those of one row of the journal stay together, so that their
// outcomes are recorded with their rows.
func (w *writer) gatherProcessing(group []*op, limit int) []*op {
	if o := w.peeked; o != nil {
		w.peeked = nil
		group = append(group, o)
	}
	for len(group) < limit {
		n := len(group)
		if group = gather(group, w.processing, n+1); len(group) == n {
			break
		}
		o := group[n]
		if n > 0 && n >= limit/2 && o.group != nil && o.group != group[n-1].group {
			w.peeked = o
			return group[:n]
		}
	}
	return group
}
