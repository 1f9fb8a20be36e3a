/* What `lengthwise.othello` compiles with Numba, in C: random games on 8x8, their legal sets, and the same
   random numbers, so that both must give the same bytes. */
#include <stdint.h>

typedef uint64_t word;
#define INNER 0x7E7E7E7E7E7E7E7EULL
#define GAMMA 0x9E3779B97F4A7C15ULL
#define MIX_1 0xBF58476D1CE4E5B9ULL
#define MIX_2 0x94D049BB133111EBULL
#define LOW_62 ((1ULL << 62) - 1)

static inline word mix64(word z) {
    z = (z ^ (z >> 30)) * MIX_1;
    z = (z ^ (z >> 27)) * MIX_2;
    return z ^ (z >> 31);
}

static inline word first_word(word seed, word stream, word index) {
    word z = (index + mix64(seed + GAMMA)) & LOW_62;
    z = ((z ^ (z >> 30)) * MIX_1) & LOW_62;
    z = ((z ^ (z >> 27)) * MIX_2) & LOW_62;
    return (stream << 62) | (z ^ (z >> 31));
}

#define LINE(NAME, OP)                                                  \
    static inline word NAME(word discs, word through, int shift) {      \
        word line = through & (discs OP shift);                         \
        line |= through & (line OP shift);                              \
        word pairs = through & (through OP shift);                      \
        line |= pairs & (line OP(2 * shift));                           \
        line |= pairs & (line OP(2 * shift));                           \
        return line;                                                    \
    }
LINE(up, <<)
LINE(down, >>)

static inline word legal(word own, word other) {
    word inner = other & INNER;
    word ends = (up(own, inner, 1) << 1) | (down(own, inner, 1) >> 1);
    ends |= (up(own, inner, 7) << 7) | (down(own, inner, 7) >> 7);
    ends |= (up(own, other, 8) << 8) | (down(own, other, 8) >> 8);
    ends |= (up(own, inner, 9) << 9) | (down(own, inner, 9) >> 9);
    return ends & ~(own | other);
}

static inline word held_up(word move, word own, word through, int shift) {
    word line = up(move, through, shift);
    return (line << shift) & own ? line : 0;
}

static inline word held_down(word move, word own, word through, int shift) {
    word line = down(move, through, shift);
    return (line >> shift) & own ? line : 0;
}

static inline word flips(word move, word own, word other) {
    word inner = other & INNER;
    return held_up(move, own, inner, 1) | held_down(move, own, inner, 1)
         | held_up(move, own, inner, 7) | held_down(move, own, inner, 7)
         | held_up(move, own, other, 8) | held_down(move, own, other, 8)
         | held_up(move, own, inner, 9) | held_down(move, own, inner, 9);
}

void play_random(word seed, word stream, word first, int64_t games, int64_t width,
                 int8_t *moves, word *sets, int32_t *lengths) {
    for (int64_t game = 0; game < games; game++, moves += width, sets += width) {
        word state = first_word(seed, stream, first + game);
        word own = 0x0000000810000000ULL, other = 0x0000001008000000ULL;
        int64_t t = 0;
        for (; t < width; t++) {
            word choices = legal(own, other);
            if (!choices) {
                word turn = own;
                own = other;
                other = turn;
                choices = legal(own, other);
                if (!choices)
                    break;
            }
            word left = ((mix64(state + t * GAMMA) >> 32) * __builtin_popcountll(choices)) >> 32;
            word move = choices;
            while (left--)
                move &= move - 1;
            int square = __builtin_ctzll(move);
            move = 1ULL << square;
            sets[t] = choices;
            moves[t] = square;
            word turned = flips(move, own, other);
            word mine = own | turned | move;
            own = other & ~turned;
            other = mine;
        }
        lengths[game] = t;
        for (; t < width; t++) {
            moves[t] = -1;
            sets[t] = 0;
        }
    }
}
