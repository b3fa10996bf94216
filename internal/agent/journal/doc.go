// Package journal is an agent's durable log: records, opaque to it, in the
// order in which they were appended, in journal.log of the data directory. It
// owns that file, its successor while Rewrite makes one, and the lock of the
// directory, by which a second agent is refused.
//
// Log.Run is the actor, the only one that writes. The agent loop sends to it
// with Append and Rewrite; it sends to nobody but answers each request in a
// channel of one slot, and so waits for nobody. It ends when its ctx does, with
// everything that was waiting written and synced, or with an error once the
// state of the file is not known any more.
//
// What an answer means:
//
//   - Append without Sync: the records are written. They survive the end of this
//     process, however it comes, and a loss of power once a later Sync is
//     answered.
//   - Append with Sync: they, and all before them, survive a loss of power.
//     Whatever waits while a sync runs shares the next one.
//   - Rewrite: the log consists of the records given, and is synced.
//   - An error that is not ErrStopped: they are not in the log, and the log goes
//     on. ErrFull is the usual one. It takes room for what is Reserved, such as
//     the ids of refused jobs, from a part of the file that nothing else uses.
//   - ErrStopped: not known. Only Open, which reads the file, can tell.
//
// Duties of the caller: Open, then Run, then Close (without Run where it was
// never needed); records are not changed before they are answered; one
// goroutine that both appends and rewrites builds what it gives to Rewrite from
// all that it has appended before.
//
// # The file
//
// A header of 64 bytes, then frames, then zeros: room that is allocated ahead,
// so that a sync need not write a new file size, and that holds the reserve.
// Integers are little-endian, sums are CRC32C, frames begin at multiples of 8.
//
//	header  magic "warrenJ\n", version u32, 0 u32, created i64 (ms since 1970),
//	        id [16], salt [16], 0 u32, sum u32 of all before
//	frame   kind u32, length u32, synced u64, sum u32 of the padded record,
//	        sum u32 of the four before;
//	        the record, padded with zeros to a multiple of 8
//
// The sums of a frame start from the header's sum, which the salt makes another
// in each file, that of its head also from its offset: a block of an older file,
// or of a record's own text, is not taken for a frame.
//
// # Torn or damaged
//
// Writes that were not synced reach the disk in any order, so after a loss of
// power a whole frame may follow a broken one, and both be torn. What tells the
// two apart is synced: each frame bears the offset up to which the file was
// known to be on the disk when the frame was written, and a frame without a
// record (a mark) is added when the log falls idle after a sync, and when it is
// closed. Where a frame is broken and any frame behind it says that this place
// had been synced, the file is damaged, and Open refuses it. Where none says so
// the rest is a torn tail: Open cuts it off and counts it (Torn).
//
// Not told apart: damage to the very last group that was synced, if power was
// lost before its mark came to the disk with the next sync or by the kernel's
// own writing. It is then cut off as torn.
//
// Relied on: the disk writes a sector whole or not at all, as SQLite's "powersafe
// overwrite" does, so that an append torn by a loss of power spares what stands
// before it in the same sector.
//
// Open makes durable what it replays, before it returns: it writes whatever is
// not known to be synced once more, so that even pages which a failed sync
// dropped as clean are written again, and syncs.
package journal
