/* ARM64 with the dot product (Cortex-A55, A75, Apple A11 and later): 16 products an instruction. */
#include "path_dotprod.h"
#include "path.h"

extern const kdb_path_functions kdb_path_dotprod;
const kdb_path_functions kdb_path_dotprod = {KDB_DOTPROD, FLIP, project, step, dense};
