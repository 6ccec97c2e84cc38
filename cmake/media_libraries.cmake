# The libraries that read texts, pictures and sounds.  What is missing is said by name, all at once.

# qkv_media_library(NAME HEADER LIBRARY PACKAGE): the target media::NAME.
function(qkv_media_library name header library package)
  find_path(QKV_${name}_INCLUDE ${header})
  find_library(QKV_${name}_LIBRARY ${library})
  mark_as_advanced(QKV_${name}_INCLUDE QKV_${name}_LIBRARY)
  if(NOT QKV_${name}_INCLUDE OR NOT QKV_${name}_LIBRARY)
    list(APPEND QKV_MEDIA_MISSING ${package})
    set(QKV_MEDIA_MISSING ${QKV_MEDIA_MISSING} PARENT_SCOPE)
    return()
  endif()
  if(NOT TARGET media::${name})
    add_library(media::${name} UNKNOWN IMPORTED)
    set_target_properties(media::${name} PROPERTIES IMPORTED_LOCATION ${QKV_${name}_LIBRARY}
      INTERFACE_INCLUDE_DIRECTORIES ${QKV_${name}_INCLUDE})
  endif()
endfunction()

qkv_media_library(zlib zlib.h z zlib1g-dev)                      # compressed data sets
qkv_media_library(utf8proc utf8proc.h utf8proc libutf8proc-dev) # kinds of characters
qkv_media_library(png png.h png libpng-dev)                      # pictures
qkv_media_library(jpeg turbojpeg.h turbojpeg libturbojpeg0-dev)  # pictures
qkv_media_library(sndfile sndfile.h sndfile libsndfile1-dev)     # WAV and FLAC
qkv_media_library(soxr soxr.h soxr libsoxr-dev)                  # other sample rates
if(QKV_MEDIA_MISSING)
  list(JOIN QKV_MEDIA_MISSING " " missing)
  message(FATAL_ERROR "Missing libraries for texts, pictures and sounds.  Run scripts/setup, or: apt-get install ${missing}")
endif()
set(QKV_MEDIA media::utf8proc media::zlib media::png media::jpeg media::sndfile media::soxr)
