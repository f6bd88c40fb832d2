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

// Numbers and thresholds of rows by their labels, and how many rows each class has; false if a label has no
// number, or one without a threshold: the counts are then of no use. No table: labels are numbers.
EQUIPOISE_INLINE bool class_bounds(const i64* labels, i64 count, const i64* slot_labels,
                                   const i64* slot_numbers, u64 mask, const double* thresholds,
                                   u64 num_thresholds, i64* numbers, double* bounds, i64* counts) {
    if (num_thresholds == 0) return false;
    u64 missed = 0;
    for (i64 i = 0; i < count; ++i) {
        const u64 label = static_cast<u64>(labels[i]), at = label & mask;
        const u64 there = slot_labels ? static_cast<u64>(slot_numbers[at]) : label;
        const u64 number = there < num_thresholds ? there : 0;
        if (slot_labels) missed |= static_cast<u64>(slot_labels[at]) ^ label;
        missed |= there ^ number;
        numbers[i] = static_cast<i64>(number);
        bounds[i] = thresholds[number];
        ++counts[number];
    }
    if (missed && !slot_labels) return false;
    for (i64 i = 0; missed && i < count; ++i) {  // some label is not in its first place, or not there
        --counts[numbers[i]];
        numbers[i] = slot_numbers[class_slot(labels[i], slot_labels, slot_numbers, mask)];
        if (static_cast<u64>(numbers[i]) >= num_thresholds) return false;
        bounds[i] = thresholds[numbers[i]];
        ++counts[numbers[i]];
    }
    return true;
}

}  // namespace equipoise
