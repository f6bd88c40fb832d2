// Class labels and their numbers 0, 1, 2, ..., in order of first appearance.
#pragma once

#include "stream/rng.hpp"

namespace equipoise {

// A hash table with open addressing, at most half full. If `labels` is null, there is no table, and each
// label is its own number.
struct Slots {
    i64* labels;
    i64* numbers;  // -1 if the slot is free
    u64 word;      // random, so that nobody can choose labels that share their slots
    u64 mask;      // number of slots, which is a power of two, minus one
};

// Return the slot of a label, or the free slot where it would go. A label that is itself a slot number goes
// there, so that a few small labels share a few cache lines. The others step by their hash, so that they do
// not probe one of these after another.
EQUIPOISE_INLINE u64 class_slot(i64 label, const Slots& slots) {
    const u64 mixed = mix64(static_cast<u64>(label) ^ slots.word), step = (mixed >> 32) | 1;
    u64 at = (static_cast<u64>(label) <= slots.mask ? static_cast<u64>(label) : mixed) & slots.mask;
    while (slots.numbers[at] >= 0 && slots.labels[at] != label) at = (at + step) & slots.mask;
    return at;
}

// Look up the numbers of labels, and give new labels the next numbers, of which `known` are taken. Stop
// before a new label that would fill the table more than half. Return how many labels are done.
inline i64 class_lookup(const i64* labels, i64 count, const Slots& slots, i64* known, i64* numbers) {
    for (i64 i = 0; i < count; ++i) {
        const u64 at = class_slot(labels[i], slots);
        if (slots.numbers[at] < 0) {
            if (2 * (static_cast<u64>(*known) + 1) > slots.mask + 1) return i;
            slots.labels[at] = labels[i];
            slots.numbers[at] = (*known)++;
        }
        numbers[i] = slots.numbers[at];
    }
    return count;
}

// Look up the numbers and thresholds of rows by their labels, and count the rows of each class. Return false
// if a label has no number, or a number without a threshold; the counts are then meaningless. Another thread
// may overwrite the labels at any time, so what was found of a row is not looked up again. This is not
// inlined, since it would run out of registers in the caller.
EQUIPOISE_NOINLINE bool class_bounds(const i64* labels, i64 count, const Slots& slots,
                                     const double* thresholds, u64 num_thresholds, double* bounds,
                                     i64* numbers, i64* counts) {
    if (num_thresholds == 0) return false;
    const i64 *slot_labels = slots.labels, *slot_numbers = slots.numbers;
    const u64 mask = slots.mask;
    const auto first_slot = [=](u64 label, u64* missed) {
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
            number = first_slot(label, &missed);
        else if (number >= num_thresholds)
            return false;
        bounds[i] = thresholds[number];
        numbers[i] = static_cast<i64>(number);
        ++counts[number];
    }
    for (i64 i = 0; missed && i < count; ++i) {  // some label is not in its first slot, or not in the table
        --counts[numbers[i]];
        const u64 number = static_cast<u64>(slot_numbers[class_slot(labels[i], slots)]);
        if (number >= num_thresholds) return false;
        bounds[i] = thresholds[number];
        numbers[i] = static_cast<i64>(number);
        ++counts[number];
    }
    return true;
}

}  // namespace equipoise
