package record

import "encoding/binary"

// Outcome is what became of a delivery that succeeded with its first attempt.
type Outcome struct {
	Started, Ended int64 // of the attempt: Unix µs, by the process's clock, and by the store's when it was recorded
	Took           int64 // µs
	Status         int
	Detail         string
}

// Outcomes are those of a record: of each message and each of its deliveries. A message whose row they are not for, because
// it has rows of its own, has nil; one without deliveries has none.
type Outcomes [][]Outcome

// Encode writes outcomes: the version as for a record, then when its messages were appended (Unix µs), and for each message
// 0 where it has rows of its own, or else 1 and for each of its deliveries
//
//	when the attempt began and when it was recorded (µs since then, signed), how long it took (µs), its status, its detail
func (o Outcomes) Encode(at int64) []byte {
	b := []byte{Version}
	b = binary.AppendVarint(b, at)
	for _, message := range o {
		if message == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		for _, one := range message {
			b = binary.AppendVarint(b, one.Started-at)
			b = binary.AppendVarint(b, one.Ended-at)
			b = binary.AppendUvarint(b, uint64(max(0, one.Took)))
			b = binary.AppendUvarint(b, uint64(max(0, one.Status)))
			b = sized(b, one.Detail)
		}
	}
	return Pack(b)
}

// ReadOutcomes decodes the outcomes of messages. ErrDamaged: they are none, or not of these messages.
func ReadOutcomes(b []byte, messages []Message) (Outcomes, error) {
	plain, err := unpack(b)
	if err != nil {
		return nil, err
	}
	r := reader{rest: plain}
	at := r.signed()
	all := make(Outcomes, len(messages))
	for i := range all {
		if r.number() == 0 {
			continue
		}
		all[i] = make([]Outcome, len(messages[i].Deliveries))
		for k := range all[i] {
			all[i][k] = Outcome{
				Started: at + r.signed(), Ended: at + r.signed(), Took: r.amount(), Status: int(r.amount()), Detail: r.text(),
			}
		}
	}
	if r.bad || len(r.rest) > 0 {
		return nil, ErrDamaged
	}
	return all, nil
}
