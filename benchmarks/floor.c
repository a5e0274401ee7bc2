/* What every look-up in a row group needs: its keys, read, checked and unpacked by the kernel's own functions. */
#include "kernel.h"

PUBLIC int floor_unpack(const Table *table, int number, Problem *problem) {
    Group group = {0};
    int failed = use_group(&group, table, number, 0, problem);
    Column *column = failed ? NULL : column_of(&group, COLUMN_START);
    for (int i = 0; column && i < column->num_pages; i++)
        if (!numbers_of(&group, COLUMN_START, i)) column = NULL;
    drop_group(&group);
    return column ? 0 : -1;
}
