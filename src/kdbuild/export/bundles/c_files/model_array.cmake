# Writes a model as a C array:  cmake -DMODEL=artefact/model_int8.kdb -DARRAY=kdbuild_model.c -P model_array.cmake
# In words of 64 bits, which a compiler reads much faster than bytes. Models are little-endian, as are the processors that
# the engine runs on, and a multiple of 64 bytes long.
cmake_minimum_required(VERSION 3.16)
file(READ ${MODEL} content HEX)
string(LENGTH "${content}" digits)
if(digits EQUAL 0)
  message(FATAL_ERROR "${MODEL}: empty")
endif()
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "(..)(..)(..)(..)(..)(..)(..)(..)" "0x\\8\\7\\6\\5\\4\\3\\2\\1,\n" words "${content}")
file(
  WRITE ${ARRAY}
  "#include \"kdbuild_model.h\"\n\nstatic const _Alignas(64) uint64_t words[] = {\n${words}};\n"
  "const void *const kdbuild_model = words;\nconst size_t kdbuild_model_size = ${size};\n")
