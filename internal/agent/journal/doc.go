// Package journal is the agent's write-ahead log: records, whose content it does not know, in
// the order in which they were appended, in the file journal.log of the data directory. It
// owns this file, the new file during a Rewrite, and the lock of the directory, which keeps
// a second agent out.
//
// Log.Run is the actor, and alone writes. The agent loop sends requests with Append and
// Rewrite. Run answers each in a channel of one slot, so it waits for nobody. When its ctx
// ends, it writes and syncs all waiting requests. It returns an error once the state of the
// file is unknown.
//
// The meaning of an answer:
//
//   - Append without Sync: the records are written. They survive the end of the process, and
//     also a loss of power once a later Sync is answered.
//   - Append with Sync: these and all earlier records survive a loss of power. Requests that
//     wait during a sync share the next one.
//   - Rewrite: the log has exactly the given records, and is synced.
//   - An error other than ErrStopped, usually ErrFull: the records are not in the log, and the
//     log continues. Reserved records, such as refusals, have space of their own.
//   - ErrStopped: unknown. Only Open, which reads the file, can tell.
//
// Duties of the caller: call Open, then Run, then Close (without Run, if it was never needed).
// Do not change records before their answer. Give Rewrite the effect of everything that was
// appended before.
//
// # The file
//
// A header of 64 bytes, then frames, then zeros. The zeros are space that was allocated in
// advance, so that a sync does not write a new file size; they include the reserved space.
// Integers are little-endian, sums are CRC32C, frames begin at multiples of 8.
//
//	header  magic "warrenJ\n", version u32, 0 u32, created i64 (ms since 1970),
//	        id [16], salt [16], 0 u32, sum u32 of all before
//	frame   kind u32, length u32, synced u64, sum u32 of the padded record,
//	        sum u32 of the four before;
//	        the record, padded with zeros to a multiple of 8
//
// The sums of a frame start with the header's sum, which the salt makes different in each
// file. The sum of its head also starts with its offset. So no block of an older file, and
// no text of a record, is mistaken for a frame.
//
// # Torn or damaged
//
// Unsynced writes reach the disk in any order. After a loss of power, a whole frame may follow
// a broken one, and both are incomplete. The member synced distinguishes this from damage:
// each frame has the offset up to which the file was known to be on the disk when the frame
// was written. When the log becomes idle after a sync, and when it is closed, it adds a frame
// without a record (a mark). If a frame is broken, and a later frame says that this place was
// synced, then the file is damaged, and Open refuses it. Otherwise the rest is a torn tail,
// which Open removes and counts (Torn).
//
// One case cannot be distinguished: damage to the last group that was synced, if power was
// lost before its mark reached the disk. It is removed as torn.
//
// The disk must write a sector completely or not at all, as SQLite's "powersafe overwrite"
// also assumes. Otherwise an interrupted append could damage earlier data in its sector.
//
// Open makes durable what it replays before it returns. It writes again what is not known to
// be synced, even pages that a failed sync has marked clean, and syncs.
package journal
