// Classes by number, 0, 1, .. in order of first sight, found by their labels in an open-addressing table.
#pragma once

#include "rng.hpp"

namespace equipoise {

// Where a label is, or would be (number -1 = free). A label that is itself a place stands there, so that few
// small labels share few cache lines; the others step as far as their hash says, not along these.
EQUIPOISE_INLINE u64 class_slot(i64 label, const i64* slot_labels, const i64* slot_numbers, u64 mask) {
    const u64 mixed = mix64(static_cast<u64>(label)), step = (mixed >> 32) | 1;
    u64 at = (static_cast<u64>(label) <= mask ? static_cast<u64>(label) : mixed) & mask;
    while (slot_numbers[at] >= 0 && slot_labels[at] != label) at = (at + step) & mask;
    return at;
}

// The caller keeps the table at most half full: stops before a new label when there is no room. Returns how
// many labels are done.
inline i64 class_lookup(const i64* labels, i64 count, i64* slot_labels, i64* slot_numbers, u64 mask,
                        i64* known, i64* numbers) {
    for (i64 i = 0; i < count; ++i) {
        const u64 at = class_slot(labels[i], slot_labels, slot_numbers, mask);
        if (slot_numbers[at] < 0) {
            if (2 * (static_cast<u64>(*known) + 1) > mask + 1) return i;
            slot_labels[at] = labels[i];
            slot_numbers[at] = (*known)++;
        }
        numbers[i] = slot_numbers[at];
    }
    return count;
}

// The same for labels that are all known and have a number below `limit`; false if one is not.
EQUIPOISE_INLINE bool class_numbers(const i64* labels, i64 count, const i64* slot_labels,
                                    const i64* slot_numbers, u64 mask, u64 limit, i64* numbers) {
    u64 missed = 0;  // by those that are not in the first place, or not there
    for (i64 i = 0; i < count; ++i) {
        const u64 at = static_cast<u64>(labels[i]) & mask;
        numbers[i] = slot_numbers[at];
        missed |= static_cast<u64>(slot_labels[at] ^ labels[i]) | (static_cast<u64>(numbers[i]) >= limit);
    }
    for (i64 i = 0; missed && i < count; ++i) {
        numbers[i] = slot_numbers[class_slot(labels[i], slot_labels, slot_numbers, mask)];
        if (static_cast<u64>(numbers[i]) >= limit) return false;
    }
    return true;
}

}  // namespace equipoise
