/* Names of changes by the HGVS nomenclature: c. or n. of a transcript, p. of its protein.

   Source: https://hgvs-nomenclature.org. An insertion or deletion in a repeat is named at its last possible place
   in the direction of the transcript, and of the protein. */
#ifndef KERNEL_HGVS_H
#define KERNEL_HGVS_H
#include "consequences.h"

/* The name without the sequence's; nothing where there is none. Bases that disagree with the reference, or that
   are not known, have no name. */
void put_hgvs_transcript(Out *out, const Case *c);
void put_hgvs_protein(Out *out, const Case *c);

#endif
