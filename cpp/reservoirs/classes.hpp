// Classes by number, 0, 1, .. in order of first sight, found by their labels in an open-addressing table.
#pragma once

#include "stream/rng.hpp"

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

// Thresholds of rows by their labels, and how many rows each class has; false if a label has no number, or
// one without a threshold: the counts are then of no use. No table: labels are numbers. Not inlined, where
// there would be too few registers left for it.
EQUIPOISE_NOINLINE bool class_bounds(const i64* labels, i64 count, const i64* slot_labels,
                                     const i64* slot_numbers, u64 mask, const double* thresholds,
                                     u64 num_thresholds, double* bounds, i64* counts) {
    if (num_thresholds == 0) return false;
    const auto first_place = [=](u64 label, u64* missed) {
        const u64 there = static_cast<u64>(slot_numbers[label & mask]);
        const u64 number = there < num_thresholds ? there : 0;
        *missed |= (static_cast<u64>(slot_labels[label & mask]) ^ label) | (there ^ number);
        return number;
    };
    u64 missed = 0;
    for (i64 i = 0; i < count; ++i) {
        const u64 label = static_cast<u64>(labels[i]);
        u64 number = label;
        if (slot_labels)
            number = first_place(label, &missed);
        else if (number >= num_thresholds)
            return false;
        bounds[i] = thresholds[number];
        ++counts[number];
    }
    for (i64 i = 0; missed && i < count; ++i) {  // some label is not in its first place, or not there
        --counts[first_place(static_cast<u64>(labels[i]), &missed)];
        const u64 at = class_slot(labels[i], slot_labels, slot_numbers, mask);
        const u64 number = static_cast<u64>(slot_numbers[at]);
        if (number >= num_thresholds) return false;
        bounds[i] = thresholds[number];
        ++counts[number];
    }
    return true;
}

}  // namespace equipoise
